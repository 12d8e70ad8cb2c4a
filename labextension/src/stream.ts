/** One websocket for the whole page: topics, reconnection, and everything again afterwards. */
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import type { IRunEvent, ITopics } from './types';

export type Status = 'connecting' | 'live' | 'lost';

type Handler = (data: any) => void;

const UNASKED = 'error'; // comes by itself; the server has no such subscription
const FIRST_WAIT = 500; // ms before the first attempt to connect again
const LAST_WAIT = 15000;

/**
 * Subscriptions last until they are disposed, also over a restart of the server: the full state
 * comes at each connection, so a handler has to take the full state at any time.
 */
export class Stream implements IDisposable {
  constructor(private _open: () => WebSocket) {
    this._connect();
  }

  get status(): Status {
    return this._status;
  }

  get statusChanged(): ISignal<this, Status> {
    return this._statusChanged;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** Hear of a topic; the first thing heard is its full state. */
  subscribe<K extends keyof ITopics>(topic: K, handler: (data: ITopics[K]) => void): IDisposable;
  subscribe(topic: `run/${string}`, handler: (data: IRunEvent) => void): IDisposable;
  subscribe(topic: string, handler: Handler): IDisposable {
    const handlers = this._handlers.get(topic) ?? new Set();
    const again = handlers.size > 0; // so that the full state comes once more, for this one
    this._handlers.set(topic, handlers.add(handler));
    if (topic !== UNASKED) {
      if (again) {
        this._send({ unsubscribe: [topic] });
      }
      this._send({ subscribe: [topic] });
    }
    return new DisposableDelegate(() => {
      handlers.delete(handler);
      if (!handlers.size && this._handlers.get(topic) === handlers) {
        this._handlers.delete(topic);
        if (topic !== UNASKED) {
          this._send({ unsubscribe: [topic] });
        }
      }
    });
  }

  /** Try at once instead of at the end of the wait. */
  reconnect(): void {
    if (this._status === 'lost' && !this._disposed) {
      clearTimeout(this._timer);
      this._connect();
    }
  }

  dispose(): void {
    this._disposed = true;
    clearTimeout(this._timer);
    this._socket?.close();
    this._handlers.clear();
    Signal.clearData(this);
  }

  private _connect(): void {
    const socket = this._open();
    this._socket = socket;
    socket.onopen = () => {
      this._wait = FIRST_WAIT;
      this._set('live');
      const topics = [...this._handlers.keys()].filter(topic => topic !== UNASKED);
      if (topics.length) {
        this._send({ subscribe: topics });
      }
    };
    socket.onmessage = (event: MessageEvent) => {
      const { topic, data } = JSON.parse(event.data);
      for (const handler of [...(this._handlers.get(topic) ?? [])]) {
        handler(data);
      }
    };
    socket.onclose = () => {
      if (this._disposed || socket !== this._socket) {
        return;
      }
      this._set('lost');
      this._timer = setTimeout(() => this._connect(), this._wait);
      this._wait = Math.min(this._wait * 2, LAST_WAIT);
    };
  }

  private _send(message: object): void {
    if (this._socket?.readyState === 1) {
      this._socket.send(JSON.stringify(message));
    }
  }

  private _set(status: Status): void {
    if (status !== this._status) {
      this._status = status;
      this._statusChanged.emit(status);
    }
  }

  private _handlers = new Map<string, Set<Handler>>();
  private _socket: WebSocket | null = null;
  private _status: Status = 'connecting';
  private _statusChanged = new Signal<this, Status>(this);
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _wait = FIRST_WAIT;
  private _disposed = false;
}
