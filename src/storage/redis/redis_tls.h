/* redis_tls.h - TLS over a connected socket, with the calls of redis_socket.h.
 *
 * TLS 1.2 or later. The server's chain and name are verified unless the settings
 * say `insecure`. There is no way from here to a connection without TLS.
 */
#ifndef PAWL_STORAGE_REDIS_TLS_H
#define PAWL_STORAGE_REDIS_TLS_H

#include "storage/redis/redis_socket.h"

struct redis_tls;

/* Shake hands on `fd`, which stays the caller's. EDENIED: a certificate, ours or
 * the server's, is not good, or cannot be read; EFORMAT: the server does not speak
 * TLS; EIO: OpenSSL cannot be loaded; EUNREACHABLE, ETIMEOUT, ENOMEM. */
enum pawl_status redis_tls_open(int fd, const struct redis_address *address,
                                const struct redis_tls_settings *settings,
                                int64_t deadline, struct redis_tls **out,
                                struct pawl_error *err);
/* NULL is fine. */
void redis_tls_close(struct redis_tls *tls);

ssize_t redis_tls_read(struct redis_tls *tls, void *bytes, size_t size,
                       short *wants);
ssize_t redis_tls_write(struct redis_tls *tls, const void *bytes, size_t size,
                        short *wants);
/* Bytes are here that poll() does not see: read before waiting. */
bool redis_tls_pending(const struct redis_tls *tls);
/* Why reading or writing failed. `denied` tells whether the server refuses our
 * certificate: with TLS 1.3 that comes with the first read. */
const char *redis_tls_problem(const struct redis_tls *tls, bool *denied);

#endif
