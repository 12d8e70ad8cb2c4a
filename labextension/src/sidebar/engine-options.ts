import type { ITrans } from '../context';

/** An option that belongs to one engine, as a field of the form. */
export interface IEngineOption {
  name: string;
  label: string;
  placeholder: string;
  needed?: boolean;
}

/** The main options of each engine; the rest is for `%lepton cluster start`. */
export function engineOptions(engine: string, trans: ITrans): IEngineOption[] {
  switch (engine) {
    case 'ssh':
      return [
        { name: 'hosts', label: trans.__('Hosts'), placeholder: 'node1,me@node2', needed: true },
        { name: 'user', label: trans.__('User'), placeholder: trans.__('as in ~/.ssh/config') },
        { name: 'python', label: trans.__('Python there'), placeholder: 'python3' }
      ];
    case 'slurm':
      return [
        { name: 'partition', label: trans.__('Partition'), placeholder: trans.__('its default') },
        { name: 'walltime', label: trans.__('Time of a job'), placeholder: '4:00:00' },
        { name: 'account', label: trans.__('Account'), placeholder: trans.__('yours') }
      ];
    case 'kubernetes':
      return [
        {
          name: 'image',
          label: trans.__('Image'),
          placeholder: 'registry/lepton:1',
          needed: true
        },
        { name: 'namespace', label: trans.__('Namespace'), placeholder: trans.__('the current') }
      ];
    case 'gateway':
      return [
        { name: 'gateway', label: trans.__('Gateway'), placeholder: 'https://gateway.example' },
        { name: 'settings', label: trans.__('Settings'), placeholder: 'worker_cores=2' }
      ];
    default:
      return [];
  }
}

/** Whether it is a range of workers, `0..8`: as many as runs wait for. */
export function isSpan(text: string): boolean {
  const found = /^(\d+)\.\.([1-9]\d*)$/.exec(text.trim());
  return found !== null && Number(found[1]) <= Number(found[2]);
}
