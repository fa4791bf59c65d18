/* packet.h - calls that the primary did not answer, as bytes that the spool keeps.
 *
 * A put that was maybe sent keeps its session and seq, and outcomes their owner, so
 * that both can be sent again with no harm, whatever became of them the first time.
 * FORMAT.md has the layout.
 */
#ifndef PAWL_STORAGE_FAILOVER_PACKET_H
#define PAWL_STORAGE_FAILOVER_PACKET_H

#include "pawl/storage.h"
#include "util/buf.h"

/* Append the call to `out`; out->failed if memory ran out. */
void packet_write_put(struct buf *out, const struct pawl_put *put);
/* Its outcomes alone, not what it would claim. */
void packet_write_outcomes(struct buf *out, const struct pawl_exchange *exchange);

/* A call read back. What it points to lies in itself or in the bytes it was read
 * from, which must stay as long. */
struct packet {
    struct pawl_put put;           /* or ... */
    struct pawl_exchange exchange; /* its queue NULL: it is a put */
    struct pawl_new_job *jobs;
    struct pawl_outcome *outcomes;
};

/* EFORMAT: a newer pawl wrote it. ECORRUPT: it is damaged. ENOMEM. */
enum pawl_status packet_read(const void *bytes, size_t size, struct packet *out,
                             struct pawl_error *err);
void packet_clear(struct packet *packet);

#endif
