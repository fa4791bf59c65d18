"""What the style tests share: the C files of the tree, their code without
comments and strings, and a TAP printer. Python 3.9 or later, nothing else."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, strings=True):
    """Comments (and strings) as spaces, so that line numbers stay right."""
    def replace(match):
        token = match.group(0)
        if token[0] == '/':
            return re.sub(r'[^\n]', ' ', token)
        if strings:
            return token[0] + ' ' * (len(token) - 2) + token[0]
        return token
    return TOKEN.sub(replace, text)


class Source:
    def __init__(self, path):
        self.path = path.relative_to(ROOT).as_posix()
        self.text = path.read_text(encoding='utf-8')
        self.code = blank(self.text)                 # no comments, no strings
        self.bare = blank(self.text, strings=False)  # no comments

    def includes(self):
        """(line number, name, in quotes) of each #include."""
        for number, line in enumerate(self.bare.split('\n'), 1):
            match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
            if match:
                yield number, match.group(2), match.group(1) == '"'


def sources(*folders):
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob('*.[ch]')):
            found.append(Source(path))
    return found


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, name, problems):
        """One test: passed when there are no problems."""
        self.count += 1
        self.failed += 1 if problems else 0
        print('%sok %d - %s' % ('not ' if problems else '', self.count, name))
        for problem in problems:
            print('# ' + problem)

    def end(self):
        print('1..%d' % self.count)
        sys.exit(1 if self.failed else 0)
