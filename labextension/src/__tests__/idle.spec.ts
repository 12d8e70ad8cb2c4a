import { followIdleness, INotices } from '../idle';
import { Stream } from '../stream';
import { trans } from './surroundings';

/** Notices as JupyterLab keeps them, and a server that says how idle it is. */
function begin() {
  const shown = new Map<string, string>();
  let buttons: { label: string; callback: () => void }[] = [];
  let count = 0;
  const notices: INotices = {
    warning: (message, options) => {
      buttons = options.actions;
      shown.set(`n${++count}`, message);
      return `n${count}`;
    },
    update: ({ id, message }) => shown.has(id) && !!shown.set(id, message),
    dismiss: id => void shown.delete(id)
  };
  const socket: any = { readyState: 1, send: () => undefined, close: () => undefined };
  const keep = jest.fn();
  document.title = 'quickstart - JupyterLab';
  followIdleness(new Stream(() => socket), keep, trans, notices);
  const say = (ends_in: number | null, binder = true) =>
    socket.onmessage({ data: JSON.stringify({ topic: 'idle', data: { ends_in, binder } }) });
  return { shown, say, keep, press: () => buttons[0].callback(), texts: () => [...shown.values()] };
}

test('a warning comes, counts down, and goes when something is done', () => {
  const { say, texts } = begin();
  say(null);
  expect(texts()).toEqual([]);
  expect(document.title).toBe('quickstart - JupyterLab');
  say(120);
  expect(texts()).toEqual([
    'Nothing has been done for a while: this session ends in 2 minutes. What you have not downloaded is lost then.'
  ]);
  expect(texts()[0].length).toBeLessThanOrEqual(140);
  expect(document.title).toBe('⏳ quickstart - JupyterLab');
  say(50);
  expect(texts()).toHaveLength(1);
  expect(texts()[0]).toContain('within a minute');
  say(null);
  expect(texts()).toEqual([]);
  expect(document.title).toBe('quickstart - JupyterLab');
});

test('its button keeps the session', () => {
  const { say, press, keep } = begin();
  say(100, false);
  expect(keep).not.toHaveBeenCalled();
  press();
  expect(keep).toHaveBeenCalledTimes(1);
});

test('one that was closed comes again only before the next end', () => {
  const { say, shown, texts } = begin();
  say(120);
  shown.clear();
  say(60);
  expect(texts()).toEqual([]);
  say(null);
  say(120, false);
  expect(texts()).toEqual(['Nothing has been done for a while: this session ends in 2 minutes.']);
});
