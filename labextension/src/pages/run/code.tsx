/** Python source with line numbers, in the colours of JupyterLab's editor. */
import * as React from 'react';
import { IToken, tokens } from './python';

export const Code = React.memo(function Code(props: {
  source: string;
  label: string;
  numbers?: boolean;
}): JSX.Element {
  const drawn = tokens(props.source).map((token: IToken, i) =>
    token.kind ? (
      <span key={i} className={`lp-Code-${token.kind}`}>
        {token.text}
      </span>
    ) : (
      token.text
    )
  );
  const lines = props.source.split('\n').length;
  return (
    <div className="lp-Code" tabIndex={0} role="region" aria-label={props.label}>
      {props.numbers !== false && (
        <pre className="lp-Code-numbers" aria-hidden="true">
          {Array.from({ length: lines }, (_, i) => i + 1).join('\n')}
        </pre>
      )}
      <pre>
        <code>{drawn}</code>
      </pre>
    </div>
  );
});
