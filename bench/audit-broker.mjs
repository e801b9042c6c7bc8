/**
 * A development broker for bench/audit.mjs, which takes the place of `serve --dev`: with the argument
 * `off` its audit log takes everything and keeps nothing, which no configuration can make it do.
 */
import { FileAuditLog } from '../dist/audit/file-audit-log.js';
import { createLogger } from '../dist/base/logger.js';
import { startBroker } from '../dist/broker.js';
import { devDefaults } from '../dist/cli/dev-defaults.js';
import { loadConfig } from '../dist/config/load-config.js';

if (process.argv[2] === 'off') {
  const nothing = () => {};
  Object.defineProperties(FileAuditLog.prototype, {
    access: { value: nothing },
    security: { value: nothing },
    durable: { value: () => Promise.resolve() },
    pending: { get: () => false },
  });
}
const { config } = await loadConfig({
  file: null,
  environment: process.env,
  sets: [],
  cwd: process.cwd(),
  modeDefaults: devDefaults(),
  readText: () => '',
});
const broker = await startBroker(config, { dev: true, logger: createLogger('error') });
process.stdout.write(`ready ${broker.ports.mtls}\n`);
process.on('SIGTERM', () => broker.close().then(() => process.exit(0)));
process.on('message', (message) => {
  if (message !== 'cpu') return;
  const { user, system } = process.cpuUsage();
  process.send?.((user + system) / 1e6);
});
