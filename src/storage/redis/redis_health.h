/* redis_health.h - the rights that we need from a server, and whether we have them.
 * redis_health() itself is in redis_storage.h. */
#ifndef PAWL_STORAGE_REDIS_HEALTH_H
#define PAWL_STORAGE_REDIS_HEALTH_H

#include "storage/redis/redis_storage.h"

/* The rules of an ACL user who may do what pawl does by these settings (their prefix,
 * database and kind of server), and nothing else:
 * "resetchannels ~pawl:* -@all +get ...". */
void redis_rights(const struct redis_settings *settings, char *text, size_t size);
/* The whole command: "ACL SETUSER pawl reset on >PASSWORD ", and these rules. */
void redis_rights_line(const struct redis_settings *settings, char *text,
                       size_t size);
/* Try each command that the scripts use; refused[size]: "zadd, xadd", or "". */
enum pawl_status redis_rights_missing(struct redis_instance *self, char *refused,
                                      size_t size, struct pawl_error *err);

#endif
