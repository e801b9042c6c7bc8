/**
 * How a list of any length stands in the access log whole: a fact is cut at a bounded length, so that
 * a long list is told in several lines. Else what a change touched could hide behind what it names
 * before that.
 */

/** Below what a fact may have (TEXT_LENGTH_MAX of audit-record.ts). */
const LINE_CHARS_MAX = 960;

/** The items, separated by commas, in lines; at least one line. An item is short. */
export function* changeLines(items: Iterable<string>): Generator<string> {
  let line = '';
  for (const item of items) {
    if (line !== '' && line.length + 1 + item.length > LINE_CHARS_MAX) {
      yield line;
      line = '';
    }
    line += line === '' ? item : `,${item}`;
  }
  yield line;
}
