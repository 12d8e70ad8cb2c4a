import * as React from 'react';

const MARGIN = 8; // rows kept above and below what is seen
const AT_LEAST = 24; // rows drawn where there is no layout yet

/** A list of rows of one height, of which only those in sight exist. It scrolls with its panel. */
export function VirtualList<T>(props: {
  items: readonly T[];
  rowHeight: number;
  itemKey: (item: T) => string;
  label: string;
  /** Draws a row into an element of the row's height. */
  children: (item: T, index: number) => React.ReactNode;
  /** Called when the end comes into sight. */
  onEnd?: () => void;
}): JSX.Element {
  const { items, rowHeight, onEnd } = props;
  const box = React.useRef<HTMLUListElement>(null);
  const [[first, last], setRange] = React.useState<[number, number]>([0, AT_LEAST]);

  const look = React.useCallback(() => {
    const node = box.current;
    const scroller = node && scrollerOf(node);
    if (!node || !scroller || !scroller.clientHeight) {
      return;
    }
    const above = scroller.getBoundingClientRect().top - node.getBoundingClientRect().top;
    // Steps of four rows: fewer drawings while scrolling.
    const from = Math.max(0, Math.floor((above / rowHeight - MARGIN) / 4) * 4);
    const to = Math.ceil(((above + scroller.clientHeight) / rowHeight + MARGIN) / 4) * 4;
    setRange(([a, b]) => (a === from && b === to ? [a, b] : [from, Math.max(from, to)]));
  }, [rowHeight]);

  React.useLayoutEffect(() => {
    const scroller = box.current && scrollerOf(box.current);
    if (!scroller) {
      return;
    }
    look();
    scroller.addEventListener('scroll', look, { passive: true });
    const observer =
      typeof ResizeObserver === 'undefined' ? undefined : new ResizeObserver(() => look());
    observer?.observe(scroller);
    if (scroller.firstElementChild) {
      observer?.observe(scroller.firstElementChild); // what is above may grow or shrink
    }
    return () => {
      scroller.removeEventListener('scroll', look);
      observer?.disconnect();
    };
  }, [look]);

  const end = Math.min(last, items.length);
  React.useEffect(() => {
    if (end === items.length && items.length) {
      onEnd?.();
    }
  }, [end, items.length, onEnd]);

  return (
    <ul
      ref={box}
      className="lps-VirtualList"
      aria-label={props.label}
      style={{ height: items.length * rowHeight }}
    >
      {items.slice(first, end).map((item, offset) => (
        <li
          key={props.itemKey(item)}
          style={{ height: rowHeight, transform: `translateY(${(first + offset) * rowHeight}px)` }}
          aria-setsize={items.length}
          aria-posinset={first + offset + 1}
        >
          {props.children(item, first + offset)}
        </li>
      ))}
    </ul>
  );
}

function scrollerOf(node: HTMLElement): HTMLElement | null {
  return node.closest<HTMLElement>('[data-scroller]');
}
