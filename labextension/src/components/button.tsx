import * as React from 'react';
import { Icon, IconName } from './icon';

interface IButton extends React.ButtonHTMLAttributes<HTMLButtonElement> {
  /** What it means: one primary button a form; `danger` for what destroys. */
  look?: 'plain' | 'primary' | 'danger' | 'link';
  icon?: IconName;
}

export function Button({
  look = 'plain',
  icon,
  children,
  className,
  ...rest
}: IButton): JSX.Element {
  return (
    <button type="button" className={`lps-Button lps-mod-${look} ${className ?? ''}`} {...rest}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface IIconButton extends React.ButtonHTMLAttributes<HTMLButtonElement> {
  icon: IconName;
  /** Said by screen readers and shown on hovering. */
  label: string;
}

export const IconButton = React.forwardRef<HTMLButtonElement, IIconButton>(function IconButton(
  { icon, label, className, ...rest },
  ref
) {
  return (
    <button
      ref={ref}
      type="button"
      className={`lps-IconButton ${className ?? ''}`}
      aria-label={label}
      title={label}
      {...rest}
    >
      <Icon name={icon} />
    </button>
  );
});
