#!/usr/bin/env node
/**
 * The command as npm installs it. Plain JavaScript that any Node can parse, so that an old Node or a
 * missing build is answered with a sentence instead of a stack trace; everything else is in dist/.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = [20, 19];

function nodeIsRecentEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

function refuse(sentence) {
  process.stderr.write(`breakwater: ${sentence}\n`);
  process.exitCode = 1;
}

const main = new URL('../dist/main.js', import.meta.url);

if (!nodeIsRecentEnough()) {
  refuse(
    `needs Node ${OLDEST_NODE.join('.')} or newer, this is Node ${process.versions.node}: ` +
      'install a current Node (24 LTS is recommended)',
  );
} else if (!existsSync(fileURLToPath(main))) {
  refuse('is not built: run "npm ci && npm run build" in the checkout, then try again');
} else {
  const { runFromCommandLine } = await import(main.href);
  await runFromCommandLine();
}
