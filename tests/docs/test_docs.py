#!/usr/bin/env python3
"""test_docs.py ROOT PAWL ENQUEUE CHECKSUM [STAGE]: the documents tell the truth.

In README.md and docs/*.md a block marked ```sh is run, from the first to the
last of its file, as one script that stops at the first failure, with a home
folder of its own and the pawl just built first in PATH. A block marked ```text
right behind one is what it prints: each of its lines must be in the output,
where "..." stands for anything. Blocks marked ```console are only shown.

STAGE is tests/support/redis_stage: a Redis that takes the place of the one on port
6379 that the documents speak of. Without it, documents that need it are not run.
"""
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zlib

root, pawl, example_enqueue, example_checksum, *stage = map(os.path.abspath,
                                                            sys.argv[1:])
root = pathlib.Path(root)
count = failed = 0


def ok(good, name, detail=''):
    global count, failed
    count += 1
    failed += 0 if good else 1
    print('%sok %d - %s' % ('' if good else 'not ', count, name))
    for line in detail.splitlines() if not good else []:
        print('# ' + line)


def environment(home):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(('PAWL_', 'REDIS_', 'JOB_QUEUE_'))}
    env.update(HOME=home, XDG_STATE_HOME=home + '/.local/state',
               PATH=os.path.dirname(pawl) + ':' +
               os.environ['PATH'])
    return env


def run(command, home, env=None):
    return subprocess.run(command, cwd=home, env={**environment(home), **(env or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)


def blocks(path):
    """(line number, language, text) of each fenced block."""
    found, start = [], None
    for number, line in enumerate(path.read_text().split('\n'), 1):
        fence = re.match(r'```(\w*)$', line)
        if fence and start is None:
            start, language, text = number, fence.group(1), []
        elif fence:
            found.append((start, language, '\n'.join(text) + '\n'))
            start = None
        elif start is not None:
            text.append(line)
    return found


def shows(line, output):
    pattern = r'\s+'.join('.*'.join(re.escape(part) for part in word.split('...'))
                          for word in line.split())
    return re.search(pattern, output)


@contextlib.contextmanager
def redis_port(script):
    """The port of a Redis, if the script speaks of one."""
    if '6379' not in script or not stage:
        yield '6379'
        return
    server = subprocess.Popen(stage + ['plain'], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    url = server.stdout.readline()
    yield re.search(r':(\d+)', url).group(1)
    server.communicate()


def run_document(path):
    """One test per ```sh block."""
    name = path.relative_to(root).as_posix()
    mark = '@@ %d @@'
    found = blocks(path)
    shell = [(i, number, text) for i, (number, language, text)
             in enumerate(found) if language == 'sh' and (stage or '6379' not in text)]
    if not shell:
        return
    script = 'set -e\n' + ''.join(
        'echo "%s"\n%s' % (mark % number, text) for _, number, text in shell)
    with tempfile.TemporaryDirectory() as home, redis_port(script) as port:
        done = run(['sh', '-c', script.replace('6379', port)], home)
    done.stdout = done.stdout.replace(':' + port, ':6379')
    parts = dict(re.findall(r'@@ (\d+) @@\n(.*?)(?=@@ \d+ @@\n|\Z)', done.stdout,
                            re.S))
    for i, number, _ in shell:
        output = parts.get(str(number))
        last = output is None or done.returncode and str(number) == list(parts)[-1]
        wanted = found[i + 1][2] if i + 1 < len(found) and \
            found[i + 1][1] == 'text' else ''
        missing = [line for line in wanted.splitlines()
                   if line.strip() and not shows(line, output or '')]
        ok(not last and not missing, '%s:%d runs as shown' % (name, number),
           (output or 'not reached') + ''.join('\nmissing: ' + m for m in missing))


def squeezed(text):
    return re.sub(r'\s', '', text)


# --- the documents run ------------------------------------------------------------

readme = root / 'README.md'
for document in [readme] + sorted((root / 'docs').glob('*.md')):
    run_document(document)

# --- the ten-line program is one program --------------------------------------------

source = (root / 'examples/enqueue.c').read_text()
program = source[source.index('#include'):]
header = '\n'.join(line[2:].strip() for line in
                   (root / 'include/pawl.h').read_text().split('\n')
                   if line.startswith(' *'))
ok(any(language == 'c' and squeezed(text) == squeezed(program)
       for _, language, text in blocks(readme)),
   'README.md shows examples/enqueue.c')
ok(squeezed(program) in squeezed(header), 'pawl.h shows examples/enqueue.c')

# --- every file that README.md speaks of is there -----------------------------------

missing = [link for link in re.findall(r'\]\(([^)#]+)[^)]*\)', readme.read_text())
           if '://' not in link and not (root / link).exists()]
ok(not missing, "README.md's links lead somewhere", '\n'.join(missing))

# --- a relative spool is another one in each folder: no document shows one --------------

shown = [readme] + sorted((root / 'docs').rglob('*.md')) + sorted((root / 'docs/man').iterdir())
relative = ['%s: %s' % (path.name, match) for path in shown
            for match in re.findall(r'(?:fallback=|PAWL_FALLBACK=.?)sqlite:\w\S*', path.read_text())
            if not match.endswith('PATH')]
ok(not relative, 'spools are shown with absolute paths', '\n'.join(relative))

# --- the examples run ----------------------------------------------------------------

with tempfile.TemporaryDirectory() as home:
    first = run([example_enqueue], home)
    listed = run([pawl, 'list', '-q', 'mail', '--json'], home)
    ok(first.returncode == 0 and '"hello"' in listed.stdout,
       'examples/enqueue.c enqueues', first.stdout + listed.stdout)

with tempfile.TemporaryDirectory() as home:
    away = {'PAWL_URL': 'redis+unix://%s/none?fallback=sqlite:%s/spool.db' % (home, home)}
    first = run([example_enqueue], home, away)
    listed = run([pawl, 'list', '-q', 'mail', '--json'], home, away)
    ok(first.returncode == 0 and '"hello"' in listed.stdout,
       'and into the spool while Redis is away', first.stdout + listed.stdout)

with tempfile.TemporaryDirectory() as home:
    wanted = set()
    for i in range(30):
        path = '%s/file-%d' % (home, i)
        data = os.urandom(1000 * i)
        pathlib.Path(path).write_bytes(data)
        wanted.add('%08x  %s' % (zlib.crc32(data), path))
    paths = [line.split('  ')[1] for line in wanted]
    for url in ('memory:docs', 'sqlite:%s/jobs.db' % home):
        done = run([example_checksum] + paths + [home + '/none'], home,
                   {'PAWL_URL': url})
        lines = done.stdout.splitlines()
        ok(done.returncode == 1 and wanted <= set(lines) and
           '30 done, 1 dead, 32 attempts' in lines and len(lines) == 31,
           'examples/checksum.c on ' + url.split(':')[0], done.stdout)

print('1..%d' % count)
sys.exit(1 if failed else 0)
