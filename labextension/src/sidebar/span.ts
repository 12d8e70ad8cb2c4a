/** Whether it is a range of workers, `0..8`: as many as runs wait for. */
export function isSpan(text: string): boolean {
  const found = /^(\d+)\.\.([1-9]\d*)$/.exec(text.trim());
  return found !== null && Number(found[1]) <= Number(found[2]);
}
