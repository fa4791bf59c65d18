/* redis_handshake.h - the first words on a connection, see redis_conn.h. */
#ifndef PAWL_STORAGE_REDIS_HANDSHAKE_H
#define PAWL_STORAGE_REDIS_HANDSHAKE_H

#include "storage/redis/redis_conn.h"

/* Add AUTH, SELECT and the rest to what is to be sent: one round trip for all. */
void redis_handshake_add(struct redis_conn *conn,
                         const struct redis_login *login, int db);
/* Read and judge the replies; what was learned is in *server. */
enum pawl_status redis_handshake_read(struct redis_conn *conn,
                                      const struct redis_login *login, int db,
                                      int64_t deadline,
                                      struct redis_server_info *server,
                                      struct pawl_error *err);
/* The value of a line "field:value" of INFO; "" if there is none. */
void redis_info_field(const char *info, const char *field, char *value, size_t size);
/* redis_conn.c: a command among what is sent with the next redis_conn_send(). */
void redis_conn_queue(struct redis_conn *conn, int argc, const char **argv,
                      const size_t *argv_size);

#endif
