import { Stream } from '../stream';

/** A socket that the test opens, feeds and breaks. */
class Socket {
  static all: Socket[] = [];
  readyState = 0;
  sent: any[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: () => void;
  constructor() {
    Socket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 3;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  break(): void {
    this.readyState = 3;
    this.onclose?.();
  }
  say(topic: string, data: any): void {
    this.onmessage?.({ data: JSON.stringify({ topic, data }) });
  }
}

beforeEach(() => {
  Socket.all = [];
  jest.useFakeTimers();
});
afterEach(() => jest.useRealTimers());

const open = () => new Socket() as unknown as WebSocket;

it('subscribes to everything again after the server was away', () => {
  const stream = new Stream(open);
  const heard: any[] = [];
  stream.subscribe('clusters', data => heard.push(data));
  stream.subscribe('error', () => undefined); // errors come unasked
  const [first] = Socket.all;
  first.open();
  expect(first.sent).toEqual([{ subscribe: ['clusters'] }]);
  expect(stream.status).toBe('live');

  first.break();
  expect(stream.status).toBe('lost');
  jest.advanceTimersByTime(500);
  const second = Socket.all[1];
  second.open();
  expect(second.sent).toEqual([{ subscribe: ['clusters'] }]);
  second.say('clusters', { clusters: [] });
  expect(heard).toEqual([{ clusters: [] }]);
});

it('asks for the full state again for a second listener, and leaves when the last has gone', () => {
  const stream = new Stream(open);
  const [socket] = Socket.all;
  socket.open();
  const one = stream.subscribe('run/r1', () => undefined);
  const two = stream.subscribe('run/r1', () => undefined);
  expect(socket.sent).toEqual([
    { subscribe: ['run/r1'] },
    { unsubscribe: ['run/r1'] },
    { subscribe: ['run/r1'] }
  ]);
  one.dispose();
  expect(socket.sent).toHaveLength(3);
  two.dispose();
  expect(socket.sent[3]).toEqual({ unsubscribe: ['run/r1'] });
});

it('waits longer between attempts, but not for ever', () => {
  new Stream(open);
  for (let count = 0; count < 8; count++) {
    Socket.all[Socket.all.length - 1].break();
    jest.advanceTimersByTime(15000);
  }
  expect(Socket.all).toHaveLength(9);
});
