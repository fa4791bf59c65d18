/* breaker_page.h - the page on which the state of a breaker lies, and the file that keeps
 * it beside the spool. What it means is breaker.h's.
 */
#ifndef PAWL_STORAGE_FAILOVER_BREAKER_PAGE_H
#define PAWL_STORAGE_FAILOVER_BREAKER_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#include "pawl/status.h"

#define BREAKER_SUFFIX ".breaker" /* behind the spool's path */
#define BREAKER_TEXT 200

struct breaker_page { /* FORMAT.md */
    _Atomic uint32_t state; /* the lowest byte; above it the number of changes, so
                               that no two are taken for one. A futex */
    _Atomic uint32_t format;
    _Atomic int64_t since;      /* wall clock ms: the last change to or from CLOSED,
                                   or of DRAINING to OPEN */
    _Atomic int64_t not_before; /* of the next probe */
    _Atomic int64_t trial_since;
    _Atomic int64_t ended; /* the last outage: OPEN or TRIAL were left */
    _Atomic uint64_t store[2]; /* the mark of the primary's store; 0: not known */
    _Atomic int64_t replaced;  /* wall clock ms: it changed; 0: never */
    /* How full the spool is: as last counted, and what was put since then. */
    _Atomic uint64_t fill_jobs, fill_bytes;
    _Atomic int64_t fill_oldest;  /* since when its oldest job is pending; 0: none */
    _Atomic int64_t fill_counted; /* 0: never */
    /* For people: breaker_text(). Two that write at once may mix their texts. */
    _Atomic char reason[BREAKER_TEXT]; /* why OPEN, or refused */
    _Atomic char where[BREAKER_TEXT];  /* the primary that the spool is for */
    _Atomic int64_t vain; /* probes of this outage, or drains after it, in vain */
    _Atomic uint64_t owner; /* `where` as a number, since the text may be cut: two primaries
                               may differ at its end alone. 0: nobody's yet */
    _Atomic int64_t refuses; /* 1: its last answer was that it refuses us: `reason` */
    _Atomic int64_t drainer;    /* the process that drains; 0: none, or not known */
    _Atomic int64_t drain_beat; /* when it last moved */
};

/* One of the page's texts, as it is now. Returns `out`. */
const char *breaker_text(const _Atomic char *text, char out[BREAKER_TEXT]);
void breaker_set_text(_Atomic char *text, const char *to);

/* Open the file, made if it is missing. EDENIED, EIO, EFULL. */
enum pawl_status breaker_page_open(const char *path, int *fd, struct pawl_error *err);
/* Map it. EFORMAT: it is a newer pawl's; *out is set all the same, to be unmapped. */
enum pawl_status breaker_page_map(const char *path, int fd, struct breaker_page **out,
                                  struct pawl_error *err);

/* Spools beside this one, for other primaries, that are not empty, as far as their
 * breakers know: `path` of the spool, and where its primary is. */
typedef void breaker_found_fn(void *context, const char *path,
                              const struct breaker_page *page);
void breaker_others(const char *spool, breaker_found_fn *found, void *context);

#endif
