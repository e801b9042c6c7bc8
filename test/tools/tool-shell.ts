/**
 * Kafka's command line tools, one after another in one JVM (ToolShell.java): for suites that call
 * many. A tool that reads standard input is not for this.
 */
import { awaitExit } from './child-process.ts';
import { type KafkaTool, kafkaToolClass, spawnJava } from './java.ts';

export interface ToolResult {
  readonly code: number;
  /** Both streams, as the tool printed them. */
  readonly text: string;
}

export interface ToolShell {
  /** Runs after the tools that were asked for before. */
  run(tool: KafkaTool, args: readonly string[]): Promise<ToolResult>;
  end(): Promise<void>;
}

const END_TIMEOUT_MS = 10_000;
const ending = /\n::: exit (-?\d+)\n/;

export function startToolShell(): ToolShell {
  const child = spawnJava('ToolShell', []);
  const waiting: { resolve: (result: ToolResult) => void; reject: (error: Error) => void }[] = [];
  let printed = '';
  let complaints = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    printed += chunk;
    for (let match = ending.exec(printed); match !== null; match = ending.exec(printed)) {
      const result = { code: Number(match[1]), text: printed.slice(0, match.index) };
      printed = printed.slice(match.index + match[0].length);
      waiting.shift()?.resolve(result);
    }
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString('utf8')).slice(-4000);
  });
  child.once('close', () => {
    for (const { reject } of waiting.splice(0)) {
      reject(new Error(`the tools' JVM has ended\n${printed}${complaints}`));
    }
  });
  return {
    run: (tool, args) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.stdin?.write(`${[kafkaToolClass(tool), ...args].join('\t')}\n`);
      }),
    async end() {
      child.stdin?.end();
      await awaitExit(child, END_TIMEOUT_MS);
    },
  };
}
