/* worker_pace.c - see worker_pace.h. A count per millisecond, in a ring. */
#include "core/worker_pace.h"

#include <string.h>

size_t pace_update(struct pace *pace, uint64_t finished, int64_t now_ns)
{
    int64_t now_ms = now_ns / 1000000, gap = now_ms - pace->at_ms;
    uint64_t fresh = finished - pace->seen, sum = 0;
    int i;

    if (gap >= PACE_WINDOW_MS) {
        memset(pace->by_ms, 0, sizeof pace->by_ms);
        fresh = fresh * PACE_WINDOW_MS / (uint64_t)gap;
    }
    for (i = 1; i <= gap && gap < PACE_WINDOW_MS; i++)
        pace->by_ms[(pace->at_ms + i) % PACE_WINDOW_MS] = 0;
    pace->by_ms[now_ms % PACE_WINDOW_MS] += fresh;
    pace->seen = finished;
    pace->at_ms = now_ms;
    for (i = 0; i < PACE_WINDOW_MS; i++)
        sum += pace->by_ms[i];
    return (size_t)sum;
}
