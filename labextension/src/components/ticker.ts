/** Texts that change with the time, written once a second without drawing anything again. */
import * as React from 'react';

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  if (!document.hidden) {
    listeners.forEach(listener => listener());
  }
}

function follow(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, 1000);
  return () => {
    listeners.delete(listener);
    if (!listeners.size) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Keep the text of an element: `text` is given the seconds since the epoch. Null: it stands still. */
export function useClock(text: ((now: number) => string) | null): React.RefCallback<HTMLElement> {
  const node = React.useRef<HTMLElement | null>(null);
  const latest = React.useRef(text);
  latest.current = text;
  const write = React.useCallback(() => {
    if (node.current && latest.current) {
      const next = latest.current(Date.now() / 1000);
      if (node.current.textContent !== next) {
        node.current.textContent = next;
      }
    }
  }, []);
  const live = text !== null;
  React.useEffect(() => (live ? follow(write) : undefined), [live, write]);
  return React.useCallback(
    (element: HTMLElement | null) => {
      node.current = element;
      write();
    },
    [write]
  );
}
