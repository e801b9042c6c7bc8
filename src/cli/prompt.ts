/** Owns asking a person on the terminal. What is typed is not shown, and kept nowhere. */
import { UsageError } from './command-error.ts';

const ENTER = new Set(['\r', '\n', '\u0004']);
const BACKSPACE = new Set(['\u007f', '\b']);
const INTERRUPT = '\u0003';

/** Asks on stderr for a line that is shown as it is typed; stdin must be a terminal. */
export async function askLine(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

/** Asks on stderr, reads stdin, which must be a terminal. Rejects with UsageError on Ctrl-C. */
export function askSecret(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (): void => {
      stdin.off('data', take);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
    };
    const take = (text: string): void => {
      for (const character of text) {
        if (character === INTERRUPT) {
          end();
          reject(new UsageError('interrupted: nothing was changed'));
          return;
        }
        if (ENTER.has(character)) {
          end();
          resolve(typed);
          return;
        }
        typed = BACKSPACE.has(character) ? typed.slice(0, -1) : typed + character;
      }
    };
    stdin.on('data', take);
    stdin.resume();
  });
}
