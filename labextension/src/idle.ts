/** Warns before an idle server is ended, with a button that keeps it: on Binder, after ten minutes. */
import type { ITrans } from './context';
import type { Stream } from './stream';
import type { IIdle } from './types';

/** What is used of JupyterLab's `Notification`. */
export interface INotices {
  warning(
    message: string,
    options: { autoClose: false; actions: { label: string; callback: () => void }[] }
  ): string;
  update(what: { id: string; message: string }): boolean;
  dismiss(id: string): void;
}

/** Before the title: a page that nobody looks at is the one that is idle, and its tab shows this. */
const MARK = '⏳ ';

/** Follow what the server says; one notice at a time, and none again that was closed. */
export function followIdleness(
  stream: Stream,
  keep: () => void,
  trans: ITrans,
  notices: INotices
): void {
  let notice: string | null = null;
  stream.subscribe('idle', (idle: IIdle) => {
    mark(idle.ends_in !== null);
    if (idle.ends_in === null) {
      if (notice !== null) {
        notices.dismiss(notice);
      }
      notice = null;
      return;
    }
    const message = words(idle, trans);
    if (notice === null) {
      const actions = [{ label: trans.__('Keep it running'), callback: keep }];
      notice = notices.warning(message, { autoClose: false, actions });
    } else {
      notices.update({ id: notice, message });
    }
  });
}

/** At most 140 characters: JupyterLab cuts off what is more. */
function words(idle: IIdle, trans: ITrans): string {
  const minutes = Math.ceil(idle.ends_in! / 60);
  const end =
    minutes > 1
      ? trans.__('Nothing has been done for a while: this session ends in %1 minutes.', minutes)
      : trans.__('Nothing has been done for a while: this session ends within a minute.');
  return idle.binder ? `${end} ${trans.__('What you have not downloaded is lost then.')}` : end;
}

function mark(on: boolean): void {
  const title = document.title.startsWith(MARK)
    ? document.title.slice(MARK.length)
    : document.title;
  document.title = on ? MARK + title : title;
}
