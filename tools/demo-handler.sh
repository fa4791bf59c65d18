#!/bin/sh
# demo-handler.sh - what the demo's workers run for each job: hash one file and
# see how small it gets. The payload, a file's name, comes on standard input;
# what is printed is the job's result; the exit code is the answer.
read -r file

# Some jobs meet a problem that passes: they fail twice, then succeed.
if [ "$PAWL_TYPE" = flaky ] && [ "$PAWL_ATTEMPT" -lt 3 ]; then
    echo "'$file' is being written, try again (attempt $PAWL_ATTEMPT)" >&2
    exit 1
fi
# And one meets a problem that does not.
if [ ! -r "$file" ]; then
    echo "cannot read '$file': no such file" >&2
    exit 1
fi

sum=$(sha256sum <"$file") || exit 1
bytes=$(wc -c <"$file")
small=$(gzip -c <"$file" | wc -c)

# One short append, which the kernel keeps in one piece: who did what.
printf '%s %s %s\n' "$DEMO_WORKER" "$PAWL_ID" "$file" >>"$DEMO_LOG"
echo "sha256=${sum%% *} bytes=$bytes gzip=$small"
