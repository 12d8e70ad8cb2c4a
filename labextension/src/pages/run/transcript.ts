/** Everything a run has said, as blocks from top to bottom: text, displays, the traceback. */
import { Terminal } from './terminal';

export interface IMessage {
  seq: number;
  type: 'text' | 'display' | 'clear' | 'error';
  stream?: 'stdout' | 'stderr';
  text?: string;
  data?: Record<string, any>;
  metadata?: Record<string, any>;
  display_id?: string | null;
  update?: boolean;
  wait?: boolean;
  traceback?: string[];
}

export interface ITextBlock {
  kind: 'text';
  id: number;
  terminal: Terminal;
  /** It is the traceback of what ended the run. */
  isTraceback: boolean;
}

export interface IRichBlock {
  kind: 'rich';
  id: number;
  /** Raised when a display is updated in place. */
  revision: number;
  data: Record<string, any>;
  metadata: Record<string, any>;
  displayId: string | null;
}

export type Block = ITextBlock | IRichBlock;

export class Transcript {
  blocks: Block[] = [];
  /** The sequence number expected next. */
  next = 0;

  /** Apply messages, oldest first; those applied before are passed over. Tells if any was new. */
  take(messages: readonly IMessage[]): boolean {
    let changed = false;
    for (const message of messages) {
      if (message.seq < this.next) {
        continue;
      }
      this.next = message.seq + 1;
      this._apply(message);
      changed = true;
    }
    return changed;
  }

  clear(): void {
    this.blocks = [];
    this.next = 0;
    this._clearNext = false;
  }

  /** All of it as plain text, as a terminal would have shown it. */
  text(): string {
    return this.blocks
      .map(block =>
        block.kind === 'text'
          ? block.terminal.text().replace(/\n$/, '')
          : String(joined(block.data['text/plain']) ?? '')
      )
      .join('\n');
  }

  private _apply(message: IMessage): void {
    if (message.type === 'clear') {
      if (message.wait) {
        this._clearNext = true;
      } else {
        this.blocks = [];
      }
      return;
    }
    if (this._clearNext) {
      this.blocks = [];
      this._clearNext = false;
    }
    if (message.type === 'text') {
      this._terminal().feed(message.text ?? '', message.stream === 'stderr');
    } else if (message.type === 'error') {
      this._newTerminal(true).feed((message.traceback ?? []).join('\n') + '\n');
    } else {
      this._display(message);
    }
  }

  private _terminal(): Terminal {
    const last = this.blocks[this.blocks.length - 1];
    return last?.kind === 'text' && !last.isTraceback ? last.terminal : this._newTerminal(false);
  }

  private _newTerminal(isTraceback: boolean): Terminal {
    const terminal = new Terminal();
    this.blocks.push({ kind: 'text', id: this._id++, terminal, isTraceback });
    return terminal;
  }

  private _display(message: IMessage): void {
    const name = message.display_id ?? null;
    const [data, metadata] = [message.data ?? {}, message.metadata ?? {}];
    if (message.update) {
      for (const block of this.blocks) {
        if (block.kind === 'rich' && name && block.displayId === name) {
          Object.assign(block, { data, metadata, revision: block.revision + 1 });
        }
      }
      return;
    }
    this.blocks.push({
      kind: 'rich',
      id: this._id++,
      revision: 0,
      data,
      metadata,
      displayId: name
    });
  }

  private _id = 0;
  private _clearNext = false;
}

/** MIME data may come as a list of lines. */
export function joined(value: unknown): unknown {
  return Array.isArray(value) ? value.join('') : value;
}
