"""WebSocket without I/O: RFC 6455, compression (RFC 7692) and the HTTP it needs (RFC 9112).

From the octets up to the life of a connection; each module can be used alone:

    uri                 ws:// and wss:// addresses                    RFC 6455 §3
    origin              the page that asks; equal ones are equal      RFC 6454
    http11              requests and responses                        RFC 9112
      headers             their fields                                RFC 9110 §5
    octets              octets out of any buffer                      RFC 6455 §5.2
    wanted              arguments of a wrong type, refused in words
    extensions          the list of extensions                        RFC 6455 §9.1
    handshake           the opening handshake of a server, a client   RFC 6455 §4
      handshake_key       Sec-WebSocket-Key and -Accept               RFC 6455 §1.3
      handshake_request   the request: written, checked, Origin       RFC 6455 §4.1, §4.2.1
      handshake_response  the 101 or a refusal: written, checked      RFC 6455 §4.2.2, §4.1
    masking             XOR, without a loop over the octets           RFC 6455 §5.3
    frames              one frame: every rule of its header           RFC 6455 §5.1, §5.2, §5.5
    decoder             frames out of a stream, however it is cut     RFC 6455 §5.2
    close               code and reason of a Close                    RFC 6455 §5.5.1, §7.4
    deflate             permessage-deflate                            RFC 7692
      deflate_config      how one side wants to compress              RFC 7692 §7.1
    assembler           fragments to messages; bounds, UTF-8          RFC 6455 §5.4, §5.6, §8.1
    fastpath            many small messages in bulk
    reader              octets to messages, Ping, Pong, Close         RFC 6455 §6.2
    writer              messages to octets; Pongs, our Close          RFC 6455 §6.1, §5.5
    states              the life of a connection, as two tables       RFC 6455 §7
    events              what an endpoint reports
      event_type          how event classes are made
    checked             settings that are checked when made
    limits              what a peer may make us keep                  RFC 6455 §10.4
    heartbeat           when to ping, when a peer is silent           RFC 6455 §5.5.2, §5.5.3
    explain             each bit and each line in words
      explanation         its fields and its verdict
      explain_frame       the header of a frame
      explain_payload     data, Close, compressed payloads
      explain_handshake   requests and responses

``goim_edu.protocol`` puts them together: the endpoint.
"""
