import * as React from 'react';
import { useLepton, useStore } from '../context';

/** What is granted to this server, where that limits clusters: on Binder, and in small containers. */
export function Granted(): JSX.Element | null {
  const { lab } = useLepton();
  const sentence = useStore(lab.about)?.granted;
  return sentence ? <p className="lps-Muted">{sentence}</p> : null;
}
