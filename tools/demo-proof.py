#!/usr/bin/env python3
"""demo-proof.py QUEUE FILES IDS LOG BAD_ID: was each file handled exactly once?

Three witnesses must agree: the list of files, the completed jobs as pawl lists
them (page by page), and the lines that the handlers wrote. Then each result is
compared with the file itself."""
import collections
import hashlib
import json
import subprocess
import sys

PAGE = 100
queue, files_path, ids_path, log_path, bad_id = sys.argv[1:]
problems = 0


def lines(path):
    with open(path, encoding='utf-8', errors='surrogateescape') as text:
        return text.read().splitlines()


def check(good, what):
    global problems
    problems += 0 if good else 1
    print('%-4s %s' % ('ok' if good else 'BAD', what))


def listed(state):
    """Every job of the state, through as many pages as it takes."""
    jobs, after, pages = [], None, 0
    while True:
        command = ['pawl', 'list', '--json', '-q', queue, '--state', state,
                   '--limit', str(PAGE)]
        run = subprocess.run(command + (['--after', after] if after else []),
                             capture_output=True, check=True)
        after = None
        pages += 1
        for line in run.stdout.decode('utf-8').splitlines():
            row = json.loads(line)
            if 'next' in row and 'id' not in row:
                after = row['next']
            else:
                jobs.append(row)
        if not after:
            return jobs, pages


def once(values, wanted):
    """Each of the wanted, exactly once, and nothing else."""
    return collections.Counter(values) == collections.Counter(set(wanted))


files = lines(files_path)
completed, pages = listed('completed')
dead, _ = listed('dead')
handled = [line.split(' ', 2) for line in lines(log_path)]

check(once([job['payload'] for job in completed], files),
      '%d jobs completed (in %d pages), one for each of %d files' % (
          len(completed), pages, len(files)))
check(once([job['id'] for job in completed], lines(ids_path)),
      'their ids are those that enqueue printed')
check(once([name for _, _, name in handled], files),
      'the handlers did each file once: %d lines' % len(handled))
check({(i, name) for _, i, name in handled} ==
      {(job['id'], job['payload']) for job in completed},
      'both agree on which job did which file')
by = collections.Counter(worker for worker, _, _ in handled)
check(len(by) == 2, 'two workers shared them: ' + ', '.join(
    '%s did %d' % pair for pair in sorted(by.items())))

wrong = 0
for job in completed:
    with open(job['payload'], 'rb') as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    wrong += 'sha256=%s ' % digest not in job.get('result', '')
check(wrong == 0, 'each result is the hash of its file')

retried = [job for job in completed if job['attempt'] == 3]
check(len(retried) == 3 and
      sum(job['attempt'] == 1 for job in completed) == len(files) - 3,
      '3 jobs needed three attempts, the others one')
check([job['id'] for job in dead] == [bad_id] and
      len(dead[0].get('errors', [])) == 3,
      'one job is dead after 3 attempts, with the error of each')
sys.exit(1 if problems else 0)
