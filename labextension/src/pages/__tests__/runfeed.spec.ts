import { RunFeed, Steps } from '../run/feed';

const text = (seq: number) => ({ seq, type: 'text', stream: 'stdout', text: `${seq}\n` });
const run = (more: object = {}): any => ({ id: 'r1', state: 'running', attempt: 1, ...more });

/** A server with so many messages, and the handler that its websocket calls. */
function served(count: number) {
  const asked: number[] = [];
  let handler: (event: any) => void = () => undefined;
  const api: any = {
    run: async () => run(),
    history: async () => ({ columns: ['step', 't', 'loss'], rows: [[1, 5, 0.5]] }),
    output: async (_: string, { start, limit }: any) => {
      asked.push(start);
      const messages = [];
      for (let i = start; i < Math.min(count, start + limit); i++) {
        messages.push(text(i));
      }
      return { messages, next: start + messages.length, more: start + limit < count };
    }
  };
  const stream: any = {
    subscribe: (_: string, given: any) => {
      handler = given;
      return { dispose: () => undefined };
    }
  };
  return { api, stream, asked, send: (event: object) => handler({ run: run(), ...event }) };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

const lines = (feed: RunFeed) => feed.transcript.text().trim().split('\n').map(Number);

it('replays in parts, then goes on with what comes live, each once', async () => {
  const server = served(4500);
  const feed = new RunFeed('r1', server.api, server.stream);
  feed.start();
  server.send({ messages: [text(4499), text(4500)] }); // before the replay is through
  await until(() => !feed.replaying);
  expect(server.asked).toEqual([0, 2000, 4000]);
  expect(lines(feed)).toEqual(Array.from({ length: 4501 }, (_, i) => i));
  server.send({ messages: [text(4501)] });
  expect(lines(feed).length).toBe(4502);
});

it('fetches what it missed while the connection was lost', async () => {
  const server = served(10);
  const feed = new RunFeed('r1', server.api, server.stream);
  feed.start();
  await until(() => !feed.replaying);
  Object.assign(server.api, served(20).api);
  server.send({ messages: [text(18), text(19)], full: true });
  await until(() => !feed.replaying);
  expect(lines(feed)).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

it('says what the server says when there is no such run', async () => {
  const server = served(0);
  server.api.run = async () => {
    throw new Error('No run r9.');
  };
  const feed = new RunFeed('r9', server.api, server.stream);
  feed.start();
  await until(() => feed.loading === 'failed');
  expect(feed.fault).toBe('No run r9.');
});

it('forgets the metrics of an attempt that failed', async () => {
  const feed = new RunFeed('r1', {} as any, {} as any);
  feed.takeRun(run());
  feed.steps.take({ columns: ['step', 'loss'], rows: [[1, 3]] });
  feed.takeRun(run({ attempt: 2 }));
  expect(feed.steps.size).toBe(0);
});

it('keeps the last value of a step, in order of steps', () => {
  const steps = new Steps();
  steps.take({
    columns: ['step', 't', 'loss', 'accuracy'],
    rows: [
      [2, 20, 2, null],
      [1, 10, 1, 0.5]
    ]
  });
  steps.take({ columns: ['step', 'loss'], rows: [[2, 2.5]] });
  const { step, metrics } = steps.columns();
  expect(step).toEqual([1, 2]);
  expect(metrics.get('loss')).toEqual([1, 2.5]);
  expect(metrics.get('accuracy')).toEqual([0.5, null]);
});
