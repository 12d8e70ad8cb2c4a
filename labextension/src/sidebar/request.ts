import * as React from 'react';
import type { ApiError } from '../api';

/** A request whose progress and error a component shows. */
export function useRequest(): {
  busy: boolean;
  error: ApiError | null;
  clear: () => void;
  /** Send it; undefined when it failed. */
  send: <R>(request: () => Promise<R>) => Promise<{ answer: R } | undefined>;
} {
  const [busy, setBusy] = React.useState(false);
  const [error, setError] = React.useState<ApiError | null>(null);
  const mounted = React.useRef(true);
  React.useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  return {
    busy,
    error,
    clear: () => setError(null),
    send: async request => {
      setBusy(true);
      setError(null);
      try {
        return { answer: await request() };
      } catch (error) {
        if (mounted.current) {
          setError(error as ApiError);
        }
        return undefined;
      } finally {
        if (mounted.current) {
          setBusy(false);
        }
      }
    }
  };
}

/** What a request answers, asked again when `parts` change; the last answer stays meanwhile. */
export function useAnswer<R>(
  request: () => Promise<R>,
  parts: React.DependencyList
): { answer: R | null; error: ApiError | null } {
  const [state, setState] = React.useState<{ answer: R | null; error: ApiError | null }>({
    answer: null,
    error: null
  });
  React.useEffect(() => {
    let current = true;
    request().then(
      answer => current && setState({ answer, error: null }),
      error => current && setState({ answer: null, error })
    );
    return () => {
      current = false;
    };
  }, parts);
  return state;
}
