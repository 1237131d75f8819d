// A client and a server by nhooyr.io/websocket: peer ws://host:port/path, or peer serve
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"nhooyr.io/websocket"
)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	c.SetReadLimit(1 << 20)
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if err = c.Write(r.Context(), kind, data); err != nil {
			return
		}
	}
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	check(http.Serve(listener, http.HandlerFunc(echo)))
}

func client(url string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, response, err := websocket.Dial(ctx, url, nil)
	check(err)
	fmt.Println(response.Header.Get("Sec-WebSocket-Extensions"))
	c.SetReadLimit(1 << 20)
	big := make([]byte, 70000)
	for i := range big {
		big[i] = byte(i * 7)
	}
	same := func(kind websocket.MessageType, wanted []byte) {
		got, data, err := c.Read(ctx)
		check(err)
		if got != kind || !bytes.Equal(data, wanted) {
			check(fmt.Errorf("another message of %d octets came back", len(data)))
		}
	}
	for _, message := range []string{"你好 😀", "", strings.Repeat("x", 70000)} {
		check(c.Write(ctx, websocket.MessageText, []byte(message)))
		same(websocket.MessageText, []byte(message))
	}
	for _, message := range [][]byte{big, {}} {
		check(c.Write(ctx, websocket.MessageBinary, message))
		same(websocket.MessageBinary, message)
	}
	w, err := c.Writer(ctx, websocket.MessageText)
	check(err)
	for _, piece := range []string{"in ", strings.Repeat("many ", 5000), "pieces"} {
		_, err = io.WriteString(w, piece)
		check(err)
	}
	check(w.Close())
	same(websocket.MessageText, []byte("in "+strings.Repeat("many ", 5000)+"pieces"))
	go c.Read(ctx) // it takes the Pong
	check(c.Ping(ctx))
	check(c.Close(3001, "bye"))
	fmt.Println("all is well")
}

func main() {
	if os.Args[1] == "serve" {
		serve()
	} else {
		client(os.Args[1])
	}
}
