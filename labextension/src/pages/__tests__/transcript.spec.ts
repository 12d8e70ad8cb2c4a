import { plain } from '../run/terminal';
import { IMessage, Transcript } from '../run/transcript';

let seq = 0;
const text = (value: string, stream: 'stdout' | 'stderr' = 'stdout'): IMessage => ({
  seq: seq++,
  type: 'text',
  stream,
  text: value
});
const display = (value: string, more: Partial<IMessage> = {}): IMessage => ({
  seq: seq++,
  type: 'display',
  data: { 'text/plain': value },
  ...more
});

beforeEach(() => {
  seq = 0;
});

it('joins text and keeps displays in their places', () => {
  const transcript = new Transcript();
  transcript.take([text('a\n'), text('b\n'), display('<figure>'), text('c\n')]);
  expect(transcript.blocks.map(b => b.kind)).toEqual(['text', 'rich', 'text']);
  expect(transcript.text()).toBe('a\nb\n<figure>\nc');
});

it('applies a message once, however often it comes', () => {
  const transcript = new Transcript();
  const messages = [text('a'), text('b')];
  expect(transcript.take(messages)).toBe(true);
  expect(transcript.take(messages)).toBe(false);
  expect(transcript.text()).toBe('ab');
});

it('updates a display in place', () => {
  const transcript = new Transcript();
  transcript.take([display('old', { display_id: 'x' }), text('after\n')]);
  transcript.take([display('new', { display_id: 'x', update: true })]);
  expect(transcript.text()).toBe('new\nafter');
  expect(transcript.blocks).toHaveLength(2);
});

it('clears at once, or when something comes', () => {
  const transcript = new Transcript();
  transcript.take([text('a'), { seq: seq++, type: 'clear', wait: true }]);
  expect(transcript.text()).toBe('a');
  transcript.take([text('b')]);
  expect(transcript.text()).toBe('b');
  transcript.take([{ seq: seq++, type: 'clear' }]);
  expect(transcript.text()).toBe('');
});

it('ends with the traceback, in its colours', () => {
  const transcript = new Transcript();
  transcript.take([{ seq: 0, type: 'error', traceback: ['\x1b[31mValueError\x1b[0m: no'] }]);
  const [block] = transcript.blocks;
  expect(block.kind === 'text' && plain(block.terminal.lines[0])).toBe('ValueError: no');
});

it('takes 10 MB in pieces without losing a line', () => {
  const transcript = new Transcript();
  const line = 'step 12345 loss 0.123456 accuracy 0.987654 some more text to fill\n';
  const piece = line.repeat(1000);
  const pieces = Math.ceil(10e6 / piece.length);
  for (let i = 0; i < pieces; i++) {
    transcript.take([text(piece)]);
  }
  const [block] = transcript.blocks;
  expect(block.kind === 'text' && block.terminal.count).toBe(pieces * 1000);
});
