// A client by the JDK's own library: java Client.java ws://host:port/path
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public class Client {
  static final BlockingQueue<Object> heard = new LinkedBlockingQueue<>();

  static class Ear implements WebSocket.Listener {
    final StringBuilder text = new StringBuilder();
    final ByteArrayOutputStream octets = new ByteArrayOutputStream();

    @Override
    public CompletionStage<?> onText(WebSocket ws, CharSequence data, boolean last) {
      text.append(data);
      if (last) {
        heard.add(text.toString());
        text.setLength(0);
      }
      ws.request(1);
      return null;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket ws, ByteBuffer data, boolean last) {
      byte[] piece = new byte[data.remaining()];
      data.get(piece);
      octets.writeBytes(piece);
      if (last) {
        heard.add(octets.toByteArray());
        octets.reset();
      }
      ws.request(1);
      return null;
    }

    @Override
    public CompletionStage<?> onPong(WebSocket ws, ByteBuffer data) {
      heard.add("pong " + data.remaining());
      ws.request(1);
      return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
      heard.add("close " + code);
      return null;
    }

    @Override
    public void onError(WebSocket ws, Throwable error) {
      heard.add(error);
    }
  }

  static void expect(Object wanted) throws Exception {
    Object got = heard.poll(20, TimeUnit.SECONDS);
    boolean same = wanted instanceof byte[] w && got instanceof byte[] g ? Arrays.equals(w, g) : wanted.equals(got);
    if (!same) throw new Exception("wanted " + wanted + ", got " + got);
  }

  public static void main(String[] args) throws Exception {
    WebSocket ws = HttpClient.newHttpClient().newWebSocketBuilder()
        .buildAsync(URI.create(args[0]), new Ear()).get(20, TimeUnit.SECONDS);
    ws.sendText("你好 😀", true).join();
    expect("你好 😀");
    byte[] big = new byte[70_000];
    for (int i = 0; i < big.length; i++) big[i] = (byte) (i * 7);
    ws.sendBinary(ByteBuffer.wrap(big), true).join();
    expect(big);
    ws.sendText("", true).join();
    expect("");
    ws.sendBinary(ByteBuffer.allocate(0), true).join();
    expect(new byte[0]);
    ws.sendText("in ", false).join();
    ws.sendPing(ByteBuffer.wrap(new byte[125])).join();
    ws.sendText("three ", false).join();
    ws.sendText("pieces", true).join();
    expect("pong 125");
    expect("in three pieces");
    ws.sendClose(3001, "bye").join();
    expect("close 3001");
    System.out.println("all is well");
    System.exit(0);
  }
}
