/* sqlite_gate.h - one writer at a time among all processes, fairly.
 *
 * Every write transaction and every checkpoint of pawl holds an exclusive
 * open-file-description lock on PATH.gate. Two reasons. SQLite before 3.44.6,
 * 3.50.7 and 3.51.3 can lose a commit that overlaps a checkpoint; with the gate
 * and automatic checkpoints off, none ever does. And SQLite's own waiting is
 * sleep and retry, where one process can starve another for seconds.
 *
 * The kernel frees the lock when its holder dies. Fairness is a matter of
 * manners on top of it: see sqlite_gate.c.
 *
 * One thread of an instance at a time: threads queue in a sqlite_line first.
 */
#ifndef PAWL_SQLITE_GATE_H
#define PAWL_SQLITE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "pawl/status.h"

struct gate_page;

struct sqlite_gate {
    int fd;
    struct gate_page *page;
    uint64_t token;       /* who we are in the page */
    uint64_t start_time;  /* of this process, in the kernel's ticks */
    int64_t left_at;      /* ns of clock_mono_ns() */
    uint32_t yielded_at;  /* page->grants when we gave way */
    bool yielding;        /* somebody else goes first */
    bool hot;             /* we came back at once: we will again */
};

enum pawl_status gate_open(struct sqlite_gate *gate, const char *path,
                           struct pawl_error *err);
/* One that gate_open did not open is fine. */
void gate_close(struct sqlite_gate *gate);
/* ETIMEOUT at `deadline_ns` of clock_mono_ns(), naming who holds it. */
enum pawl_status gate_enter(struct sqlite_gate *gate, int64_t deadline_ns,
                            struct pawl_error *err);
void gate_leave(struct sqlite_gate *gate);

/* Notes that all processes share. They are read at any time, changed only inside
 * the gate, and outlive the processes, which a crash must not make forget them. */
enum gate_note {
    GATE_SYNC_FAILED, /* an fsync failed: commits may be missing on the disk */
    GATE_SPACE_LOW,   /* the disk was full and the ballast is gone */
    GATE_NOTES
};
bool gate_noted(const struct sqlite_gate *gate, enum gate_note note);
void gate_set(struct sqlite_gate *gate, enum gate_note note, bool on);

#endif
