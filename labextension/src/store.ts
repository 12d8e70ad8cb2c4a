/** A value that views follow. While the page is hidden nobody is told; then once. */

const INTERVAL = 200; // ms between two changes that views are told of

export class Store<T> {
  constructor(private _value: T) {}

  get value(): T {
    return this._value;
  }

  set(value: T): void {
    if (value === this._value) {
      return;
    }
    this._value = value;
    this._schedule();
  }

  readonly get = (): T => this._value;

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => {
      this._listeners.delete(listener);
    };
  };

  private _schedule(): void {
    if (this._due) {
      return;
    }
    if (document.hidden) {
      this._due = true;
      document.addEventListener('visibilitychange', () => this._tell(), {
        once: true
      });
      return;
    }
    const wait = this._told + INTERVAL - performance.now();
    if (wait <= 0) {
      this._tell();
    } else {
      this._due = true;
      setTimeout(() => this._tell(), wait);
    }
  }

  private _tell(): void {
    this._due = false;
    if (document.hidden) {
      this._schedule();
      return;
    }
    this._told = performance.now();
    for (const listener of [...this._listeners]) {
      listener();
    }
  }

  private _listeners = new Set<() => void>();
  private _due = false;
  private _told = -INTERVAL;
}
