/* A server of uWebSockets in C and C++ alone, through the shared library that socketify brings:
 * the native ceiling of benchmarks/server.py. Serves /echo and /fanout until standard input ends. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include "uwebsockets.h"

static const char topic[] = "all";
static uws_app_t *app;

static void echo(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode,
                 void *unused) {
    uws_ws_send(0, ws, message, length, opcode);
}

static void enter(uws_websocket_t *ws, void *unused) {
    uws_ws_subscribe(0, ws, topic, sizeof topic - 1);
}

static void fanout(uws_websocket_t *ws, const char *message, size_t length, uws_opcode_t opcode,
                   void *unused) {
    uws_publish(0, app, topic, sizeof topic - 1, message, length, opcode, false);
}

static void listening(struct us_listen_socket_t *socket, uws_app_listen_config_t config,
                      void *unused) {
    printf("%d\n", socket ? us_socket_local_port(0, socket) : 0);
    fflush(stdout);
}

static void *until_input_ends(void *unused) {
    char octets[64];
    while (read(0, octets, sizeof octets) > 0) continue;
    _exit(0);
}

int main(void) {
    pthread_t thread;
    uws_socket_behavior_t behavior = {.compression = DISABLED,
                                      .maxPayloadLength = 1 << 24,
                                      .maxBackpressure = 1 << 30,
                                      .message = echo};
    uws_socket_behavior_t room = behavior;
    room.open = enter;
    room.message = fanout;
    app = uws_create_app(0, (struct us_socket_context_options_t){0});
    uws_ws(0, app, "/echo", behavior, NULL);
    uws_ws(0, app, "/fanout", room, NULL);
    uws_app_listen_with_config(0, app, (uws_app_listen_config_t){0, "127.0.0.1", 0}, listening, NULL);
    pthread_create(&thread, NULL, until_input_ends, NULL);
    uws_app_run(0, app);
    return 0;
}
