import * as React from 'react';
import { useLepton } from '../context';
import { Button, IconButton } from './button';
import { Icon } from './icon';

/** What went wrong, where it went wrong. */
export function Failure(props: {
  message: string;
  onDismiss?: () => void;
  children?: React.ReactNode;
}): JSX.Element {
  const { trans } = useLepton();
  return (
    <div className="lps-Failure" role="alert">
      <Icon name="warn" />
      <div>
        <p>{props.message}</p>
        {props.children}
      </div>
      {props.onDismiss && (
        <IconButton icon="close" label={trans.__('Dismiss')} onClick={props.onDismiss} />
      )}
    </div>
  );
}

/** A question before what destroys; Escape means no. */
export function Confirm(props: {
  question: string;
  detail?: string;
  yes: string;
  onYes: () => void;
  onNo: () => void;
  busy?: boolean;
}): JSX.Element {
  const { trans } = useLepton();
  const box = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    box.current?.querySelector<HTMLButtonElement>('[data-no]')?.focus();
  }, []);
  return (
    <div
      ref={box}
      className="lps-Confirm"
      role="alertdialog"
      aria-label={props.question}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          props.onNo();
        }
      }}
    >
      <p className="lps-Confirm-question">{props.question}</p>
      {props.detail && <p>{props.detail}</p>}
      <div className="lps-Buttons">
        <Button data-no onClick={props.onNo} disabled={props.busy}>
          {trans.__('Keep')}
        </Button>
        <Button look="danger" onClick={props.onYes} disabled={props.busy}>
          {props.yes}
        </Button>
      </div>
    </div>
  );
}
