/* failover_settings.h - the options in a URL that say what happens while the primary
 * is away. They stand among the storage's own, which never sees them. */
#ifndef PAWL_STORAGE_FAILOVER_SETTINGS_H
#define PAWL_STORAGE_FAILOVER_SETTINGS_H

#include "pawl/storage.h"

/* What becomes of a queue's new jobs during an outage. */
enum failover_policy {
    FAILOVER_RUN_LOCAL, /* spooled, and this host's workers run them */
    FAILOVER_SPOOL,     /* spooled, until the primary is back */
    FAILOVER_FAIL       /* an error at once */
};

struct failover_rule {
    char queue[PAWL_NAME_MAX + 1];
    enum failover_policy policy;
};

struct failover_settings {
    char *fallback;              /* URL of the spool; NULL: the usual place */
    bool off;                    /* no spool */
    enum failover_policy policy; /* of the queues without a rule */
    struct failover_rule *rules;
    size_t rule_count;
    pawl_duration patience; /* so long may a call to the primary take */
    pawl_duration dwell;    /* an outage lasts at least so long */
    pawl_duration trial;    /* so long the primary must answer before it is used */
    int64_t spool_jobs;     /* the most that the spool holds: jobs, */
    int64_t spool_bytes;    /* bytes, */
    pawl_duration spool_age; /* and how old the oldest of them may be */
    int64_t drain_rate;      /* jobs per second on the way back; 0: no limit */
};

/* Take our options out of `options`; *rest, to be freed, has the others. EINVAL names
 * what is wrong. On failure nothing is to be freed. */
enum pawl_status failover_settings_read(const char *options,
                                        struct failover_settings *out, char **rest,
                                        struct pawl_error *err);
void failover_settings_clear(struct failover_settings *settings);

enum failover_policy failover_policy_of(const struct failover_settings *settings,
                                        const char *queue);

#endif
