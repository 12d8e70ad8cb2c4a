/** What a component asks the server for once, and again when told to. */
import * as React from 'react';

/** What a request gives, the fault if it failed, and how to ask again. */
export function useLoaded<T>(
  load: () => Promise<T>,
  dependencies: React.DependencyList
): [T | null, string | null, () => void] {
  const [value, setValue] = React.useState<T | null>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  const [asked, setAsked] = React.useState(0);
  React.useEffect(() => {
    let gone = false;
    load().then(
      found => {
        if (!gone) {
          setValue(found);
          setFault(null);
        }
      },
      error => {
        if (!gone) {
          setFault((error as Error).message);
        }
      }
    );
    return () => {
      gone = true;
    };
  }, [...dependencies, asked]);
  return [value, fault, () => setAsked(n => n + 1)];
}
