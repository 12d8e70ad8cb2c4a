import { plain, Terminal } from '../run/terminal';

function shown(...texts: string[]): string[] {
  const terminal = new Terminal();
  texts.forEach(text => terminal.feed(text));
  return terminal.lines.slice(0, terminal.count).map(plain);
}

function styled(text: string, stderr = false) {
  const terminal = new Terminal();
  terminal.feed(text, stderr);
  return terminal.lines[0];
}

describe('lines', () => {
  it('are cut at line ends, wherever a message ends', () => {
    expect(shown('one\ntw', 'o\nthree')).toEqual(['one', 'two', 'three']);
  });
  it('keep empty ones between, and show none for a trailing line end', () => {
    expect(shown('a\n\nb\n')).toEqual(['a', '', 'b']);
  });
  it('keep text without controls as it is', () => {
    expect(styled('plain')).toBe('plain');
  });
});

describe('progress lines', () => {
  it('overwrite themselves after a carriage return', () => {
    expect(shown('  5%|#   |\r', ' 10%|##  |\r', '100%|####|\nready\n')).toEqual([
      '100%|####|',
      'ready'
    ]);
  });
  it('leave what a shorter text does not cover', () => {
    expect(shown('abcdef\rXY')).toEqual(['XYcdef']);
  });
  it('may clear the line first', () => {
    expect(shown('abcdef\r\x1b[KXY')).toEqual(['XY']);
    expect(shown('abcdef\x1b[2K\rXY')).toEqual(['XY']);
  });
  it('take Windows line ends for line ends, even in two messages', () => {
    expect(shown('a\r\nb\r', '\nc')).toEqual(['a', 'b', 'c']);
  });
  it('step back by backspaces', () => {
    expect(shown('12\b3')).toEqual(['13']);
  });
  it('move up, as several bars of tqdm do', () => {
    expect(shown('first\nsecond\x1b[A\rFIRST\n')).toEqual(['FIRST', 'second']);
  });
});

describe('colours', () => {
  it('are read from escape sequences, also from one cut in two', () => {
    const terminal = new Terminal();
    terminal.feed('a\x1b[3');
    terminal.feed('1mred\x1b[0m b');
    expect(terminal.lines[0]).toEqual([
      { text: 'a', style: '' },
      { text: 'red', style: 'lp-Term-fg-1' },
      { text: ' b', style: '' }
    ]);
  });
  it('last over line ends until they are reset', () => {
    const terminal = new Terminal();
    terminal.feed('\x1b[1;32mone\ntwo\x1b[m three');
    expect(terminal.lines[1]).toEqual([
      { text: 'two', style: 'lp-Term-fg-2 lp-Term-bold' },
      { text: ' three', style: '' }
    ]);
  });
  it('of 256 and of all become the nearest of eight', () => {
    expect(styled('\x1b[38;5;196mx')).toEqual([{ text: 'x', style: 'lp-Term-fg-1' }]);
    expect(styled('\x1b[38;2;20;200;30mx')).toEqual([{ text: 'x', style: 'lp-Term-fg-2' }]);
    expect(styled('\x1b[48;5;21mx')).toEqual([{ text: 'x', style: 'lp-Term-bg-4' }]);
  });
  it('mark what came on standard error', () => {
    expect(styled('careful', true)).toEqual([{ text: 'careful', style: 'lp-Term-err' }]);
  });
  it('leave out titles, links and bells', () => {
    expect(shown('\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x07')).toEqual(['ab']);
  });
});
