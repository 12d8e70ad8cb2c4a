/** The pages of the main area; each registers the command that opens it. */
import type { ILepton } from '../commands';

export function registerPages(lepton: ILepton): void {
  void lepton;
}
