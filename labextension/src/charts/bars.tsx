/** Bars of parts, each with its name and its figure beside it as text. */
import * as React from 'react';

export interface IPart {
  key: string;
  label: string;
  value: number;
  text: string;
  colour: string;
  /** Still growing. */
  live?: boolean;
}

/** One bar, cut into parts as long as their values: the phases of a run, for instance. */
export function PartsBar(props: { parts: IPart[]; label: string }): JSX.Element {
  const total = props.parts.reduce((sum, part) => sum + Math.max(part.value, 0), 0) || 1;
  const said = props.parts.map(part => `${part.label} ${part.text}`).join(', ');
  return (
    <div className="lp-Parts">
      <div className="lp-Parts-bar" role="img" aria-label={`${props.label}: ${said}`}>
        {props.parts.map(part => (
          <span
            key={part.key}
            className={part.live ? 'lp-mod-live' : undefined}
            style={{
              width: `${(100 * Math.max(part.value, 0)) / total}%`,
              background: part.colour
            }}
            title={`${part.label}: ${part.text}`}
          />
        ))}
      </div>
      <ul className="lp-Legend">
        {props.parts.map(part => (
          <li key={part.key}>
            <i style={{ background: part.colour }} />
            <span>{part.label}</span>
            <b>{part.text}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

export interface IRow {
  key: string;
  label: string;
  value: number;
  text: string;
  note?: string;
  colour?: string;
}

/** Bars below one another that share a scale. */
export function RowBars(props: { rows: IRow[]; label: string; most?: number }): JSX.Element {
  const most = props.most ?? Math.max(...props.rows.map(row => row.value), 0);
  return (
    <table className="lp-RowBars" aria-label={props.label}>
      <tbody>
        {props.rows.map(row => (
          <tr key={row.key}>
            <th scope="row" title={row.label}>
              {row.label}
            </th>
            <td className="lp-RowBars-bar">
              <i
                style={{
                  width: `${most ? Math.max(0.4, (100 * row.value) / most) : 0}%`,
                  background: row.colour
                }}
              />
            </td>
            <td className="lp-Number">{row.text}</td>
            {row.note !== undefined && <td className="lp-Number lp-Dim">{row.note}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
