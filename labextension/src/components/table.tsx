import * as React from 'react';

export interface IColumn<Row> {
  title: string;
  cell: (row: Row) => React.ReactNode;
  /** Right-aligned figures. */
  numeric?: boolean;
}

export function Table<Row>(props: {
  label: string;
  columns: readonly IColumn<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => React.Key;
}): JSX.Element {
  return (
    <table className="lps-Table" aria-label={props.label}>
      <thead>
        <tr>
          {props.columns.map((column, index) => (
            <th key={index} scope="col" className={column.numeric ? 'lps-mod-numeric' : ''}>
              {column.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.rows.map(row => (
          <tr key={props.rowKey(row)}>
            {props.columns.map((column, index) => (
              <td key={index} className={column.numeric ? 'lps-mod-numeric' : ''}>
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Figures with their names, in two columns. */
export function Facts(props: { facts: readonly [string, React.ReactNode][] }): JSX.Element {
  return (
    <dl className="lps-Facts">
      {props.facts.map(([name, value]) => (
        <React.Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </React.Fragment>
      ))}
    </dl>
  );
}
