import * as React from 'react';
import { useLepton } from '../context';
import type { IPreview } from '../types';

/** Some samples of a dataset: pictures in a row, anything else as lines. */
export function Preview(props: {
  preview: IPreview;
  chosen?: number;
  onChoose?: (index: number) => void;
}): JSX.Element {
  const { trans } = useLepton();
  const { preview, chosen, onChoose } = props;
  const images = preview.samples.some(sample => sample.image);
  return (
    <ul className={images ? 'lps-Thumbnails' : 'lps-Lines'} aria-label={trans.__('Samples')}>
      {preview.samples.map(sample => {
        const name = sample.label ?? trans.__('sample %1', sample.index);
        const inside = sample.image ? (
          <>
            <img src={sample.image} alt={name} />
            <span className="lps-Thumbnails-label">{sample.label ?? sample.index}</span>
          </>
        ) : (
          <>
            <span className="lps-Muted">{sample.label ?? sample.index}</span> {sample.text}
          </>
        );
        return (
          <li key={sample.index} title={`${name} (${sample.index})`}>
            {onChoose ? (
              <button
                type="button"
                aria-pressed={sample.index === chosen}
                onClick={() => onChoose(sample.index)}
              >
                {inside}
              </button>
            ) : (
              inside
            )}
          </li>
        );
      })}
    </ul>
  );
}
