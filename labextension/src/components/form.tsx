import * as React from 'react';

/** Fields that are sent together; Escape leaves them. */
export function Form(props: {
  label?: string;
  className?: string;
  onSubmit: () => unknown;
  onClose: () => void;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <form
      className={props.className ?? 'lps-Form'}
      aria-label={props.label}
      onSubmit={event => {
        event.preventDefault();
        void props.onSubmit();
      }}
      onKeyDown={event => event.key === 'Escape' && props.onClose()}
    >
      {props.children}
    </form>
  );
}
