/** A run's output, replayed: only the lines in sight are in the page, however many there are. */
import * as React from 'react';
import { useLepton } from '../../context';
import { Copy } from '../parts';
import { useSurroundings } from '../surroundings';
import { ISegment, Line, plain } from './terminal';
import { Block, IRichBlock, joined, Transcript } from './transcript';
import { count } from '../../format';

const LINE = 18; // px; the style sheet says the same
const BEYOND = 400; // px above and below what is seen that are drawn too
const GUESS = 240; // px of a display that has not been measured
const WIDEST = 4000; // characters of a line that are drawn
const MATCHES = 10_000;
const HEIGHT = 420; // px of the box, at most, unless it is made taller

export interface IMatch {
  block: number;
  line: number;
}

/** Where a text occurs, whatever its case. */
export function find(blocks: readonly Block[], sought: string): IMatch[] {
  const low = sought.toLowerCase();
  const found: IMatch[] = [];
  if (!low) {
    return found;
  }
  for (let b = 0; b < blocks.length; b++) {
    const block = blocks[b];
    if (block.kind !== 'text') {
      continue;
    }
    const { lines } = block.terminal;
    for (let i = 0; i < lines.length; i++) {
      if (plain(lines[i]).toLowerCase().includes(low)) {
        found.push({ block: b, line: i });
        if (found.length === MATCHES) {
          return found;
        }
      }
    }
  }
  return found;
}

/** A line's pieces, those that match `sought` with the class of a match besides. */
export function pieces(line: Line, sought: string): ISegment[] {
  const segments = typeof line === 'string' ? [{ text: line, style: '' }] : line;
  const whole = plain(line);
  if (!sought) {
    return segments;
  }
  const [low, text] = [sought.toLowerCase(), whole.toLowerCase()];
  const cuts: Array<[number, number]> = [];
  for (let at = text.indexOf(low); at >= 0; at = text.indexOf(low, at + low.length)) {
    cuts.push([at, at + low.length]);
  }
  const out: ISegment[] = [];
  let begin = 0;
  for (const { text, style } of segments) {
    let at = begin;
    const end = begin + text.length;
    for (const [from, to] of cuts) {
      const [a, b] = [Math.max(from, at), Math.min(to, end)];
      if (a >= b) {
        continue;
      }
      if (a > at) {
        out.push({ text: whole.slice(at, a), style });
      }
      out.push({ text: whole.slice(a, b), style: `${style} lp-Out-match`.trim() });
      at = b;
    }
    if (at < end) {
      out.push({ text: whole.slice(at, end), style });
    }
    begin = end;
  }
  return out;
}

interface IPlaced {
  block: Block;
  index: number;
  top: number;
  height: number;
}

/** Stack the blocks: where each begins, and how high they are together. */
export function stack(
  blocks: readonly Block[],
  heights: ReadonlyMap<number, number>
): [IPlaced[], number] {
  let top = 0;
  const placed = blocks.map((block, index) => {
    const height =
      block.kind === 'text' ? block.terminal.count * LINE : (heights.get(block.id) ?? GUESS);
    const one = { block, index, top, height };
    top += height;
    return one;
  });
  return [placed, top];
}

export function Output(props: {
  transcript: Transcript;
  revision: number;
  replaying: boolean;
  running: boolean;
  /** The traceback is shown elsewhere on the page. */
  withoutTraceback: boolean;
}): JSX.Element {
  const { trans } = useLepton();
  const box = React.useRef<HTMLDivElement>(null);
  const search = React.useRef<HTMLInputElement>(null);
  const heights = React.useRef(new Map<number, number>());
  const [measured, setMeasured] = React.useState(0);
  const [follow, setFollow] = React.useState(props.running);
  const [view, setView] = React.useState({ top: 0, height: HEIGHT });
  const [tall, setTall] = React.useState(false);
  const [query, setQuery] = React.useState('');
  const [at, setAt] = React.useState(0);
  const blocks = props.transcript.blocks.filter(
    block => !(props.withoutTraceback && block.kind === 'text' && block.isTraceback)
  );
  const [placed, total] = React.useMemo(
    () => stack(blocks, heights.current),
    [props.revision, props.withoutTraceback, measured]
  );
  const matches = React.useMemo(() => find(blocks, query), [query, query && props.revision]);

  React.useLayoutEffect(() => {
    if (follow && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [total, follow, tall]);

  React.useEffect(() => {
    const node = box.current;
    if (!node) {
      return;
    }
    const observer = new ResizeObserver(() =>
      setView(v => (v.height === node.clientHeight ? v : { ...v, height: node.clientHeight }))
    );
    observer.observe(node);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const node = box.current;
    if (!node) {
      return;
    }
    const end = node.scrollHeight - node.scrollTop - node.clientHeight < LINE;
    setFollow(end && props.running);
    setView(v =>
      Math.abs(v.top - node.scrollTop) < BEYOND / 4 ? v : { ...v, top: node.scrollTop }
    );
  };
  const show = (index: number) => {
    if (!matches.length) {
      return;
    }
    const next = (index + matches.length) % matches.length;
    setAt(next);
    const { block, line } = matches[next];
    setFollow(false);
    if (box.current) {
      box.current.scrollTop = placed[block].top + line * LINE - box.current.clientHeight / 2;
      setView({ top: box.current.scrollTop, height: box.current.clientHeight });
    }
  };
  React.useEffect(() => {
    show(0);
  }, [query]);

  const lines = blocks.reduce((n, b) => n + (b.kind === 'text' ? b.terminal.count : 0), 0);
  const [from, to] = [view.top - BEYOND, view.top + view.height + BEYOND];
  const current = matches[at];
  const empty = !props.replaying && total === 0;
  return (
    <section className="lp-Block lp-Out" aria-label={trans.__('Output')}>
      <header className="lp-Block-head">
        <h2>{trans.__('Output')}</h2>
        <span className="lp-Dim">
          {props.replaying
            ? trans.__('loading… %1 lines', count(lines))
            : trans._n('%2 line', '%2 lines', lines, count(lines))}
        </span>
        <div className="lp-Block-actions">
          <input
            ref={search}
            type="search"
            value={query}
            placeholder={trans.__('Search output')}
            aria-label={trans.__('Search output')}
            onChange={event => setQuery(event.target.value)}
            onKeyDown={event => {
              if (event.key === 'Enter') {
                show(at + (event.shiftKey ? -1 : 1));
              } else if (event.key === 'Escape') {
                setQuery('');
              }
            }}
          />
          {query && (
            <span className="lp-Dim" role="status">
              {matches.length
                ? trans.__('%1 of %2', count(at + 1), count(matches.length))
                : trans.__('none')}
            </span>
          )}
          {props.running && (
            <button className="lp-Action" aria-pressed={follow} onClick={() => setFollow(!follow)}>
              {trans.__('Follow')}
            </button>
          )}
          {total > HEIGHT && (
            <button className="lp-Action" aria-pressed={tall} onClick={() => setTall(!tall)}>
              {tall ? trans.__('Smaller') : trans.__('Taller')}
            </button>
          )}
          <Copy label={trans.__('Copy')} text={() => props.transcript.text()} />
        </div>
      </header>
      {empty ? (
        <p className="lp-Empty">
          {props.running ? trans.__('Nothing printed yet.') : trans.__('It printed nothing.')}
        </p>
      ) : (
        <div
          ref={box}
          className={`lp-Out-box${tall ? ' lp-mod-tall' : ''}`}
          style={tall ? undefined : { height: Math.min(HEIGHT, Math.max(60, total + 18)) }}
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-label={trans.__('What the run printed and displayed')}
          onScroll={onScroll}
          onKeyDown={event => {
            if (event.key === '/') {
              event.preventDefault();
              search.current?.focus();
            }
          }}
        >
          <div className="lp-Out-whole" style={{ height: total }}>
            {placed
              .filter(p => p.top + p.height >= from && p.top <= to)
              .map(p =>
                p.block.kind === 'text' ? (
                  <Lines
                    key={p.block.id}
                    lines={p.block.terminal.lines}
                    top={p.top}
                    from={Math.max(0, Math.floor((from - p.top) / LINE))}
                    to={Math.min(p.block.terminal.count, Math.ceil((to - p.top) / LINE))}
                    query={query}
                    current={current?.block === p.index ? current.line : -1}
                  />
                ) : (
                  <Rich
                    key={p.block.id}
                    block={p.block}
                    revision={p.block.revision}
                    top={p.top}
                    onHeight={height => {
                      if (heights.current.get(p.block.id) !== height) {
                        heights.current.set(p.block.id, height);
                        setMeasured(n => n + 1);
                      }
                    }}
                  />
                )
              )}
          </div>
        </div>
      )}
    </section>
  );
}

function Lines(props: {
  lines: Line[];
  top: number;
  from: number;
  to: number;
  query: string;
  current: number;
}): JSX.Element {
  const drawn: JSX.Element[] = [];
  for (let i = props.from; i < props.to; i++) {
    drawn.push(
      <div key={i} className={i === props.current ? 'lp-mod-current' : undefined}>
        {contents(props.lines[i], props.query)}
      </div>
    );
  }
  return (
    <pre className="lp-Out-lines" style={{ top: props.top + props.from * LINE }}>
      {drawn}
    </pre>
  );
}

export function contents(line: Line, query: string): React.ReactNode {
  if (typeof line === 'string' && !query) {
    return line.length > WIDEST ? `${line.slice(0, WIDEST)} …` : line;
  }
  let left = WIDEST;
  return pieces(line, query).map((piece, i) => {
    const text = piece.text.slice(0, Math.max(0, left));
    left -= text.length;
    return piece.style ? (
      <span key={i} className={piece.style}>
        {text}
      </span>
    ) : (
      text
    );
  });
}

const PICTURES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

function Rich(props: {
  block: IRichBlock;
  revision: number;
  top: number;
  onHeight: (height: number) => void;
}): JSX.Element {
  const { draw } = useSurroundings();
  const node = React.useRef<HTMLDivElement>(null);
  const { data, metadata } = props.block;
  const picture = data['text/html'] ? undefined : PICTURES.find(kind => data[kind]);
  React.useLayoutEffect(() => {
    const box = node.current;
    if (!box) {
      return;
    }
    const drawn = picture ? null : draw(data, metadata);
    if (!picture) {
      if (drawn) {
        box.replaceChildren(drawn.node);
      } else {
        const text = document.createElement('pre');
        text.textContent = String(joined(data['text/plain']) ?? '');
        box.replaceChildren(text);
      }
    }
    const measure = () => props.onHeight(Math.ceil(box.getBoundingClientRect().height));
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    return () => {
      observer.disconnect();
      drawn?.dispose();
    };
  }, [props.block, props.revision]);
  const alt = String(joined(data['text/plain']) ?? '');
  return (
    <div className="lp-Out-rich" ref={node} style={{ top: props.top }}>
      {picture && (
        <img
          src={`data:${picture};base64,${String(joined(data[picture])).replace(/\s/g, '')}`}
          alt={alt}
        />
      )}
    </div>
  );
}
