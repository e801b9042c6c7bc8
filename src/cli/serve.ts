/**
 * `breakwater serve`: runs the broker until a signal.
 *
 * Owns stdout's two lines (ready, kcat) and the process's signals: the first SIGTERM, SIGINT
 * or SIGHUP (its terminal has gone) closes gracefully and exits 0, also when it comes during the
 * start; a second one exits 1 at once.
 */
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { createLogger, type Logger } from '../base/logger.ts';
import type { RunningBroker } from '../broker.ts';
import type { Config } from '../config/config-schema.ts';
import { checkForServing } from '../config/serving-checks.ts';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  loadFromOptions,
} from './configuration-options.ts';
import { devDefaults } from './dev-defaults.ts';

interface ServeOptions extends ConfigurationOptions {
  readonly dev?: boolean;
}

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('run the broker until SIGTERM or SIGINT')
    .option('--dev', 'development: generated certificates, example tenants, loopback only');
  addConfigurationOptions(command).action((options: ServeOptions) => serve(options));
}

async function serve(options: ServeOptions): Promise<void> {
  const dev = options.dev === true;
  const { config, warnings } = await loadFromOptions(options, dev ? devDefaults() : {});
  checkForServing(config, dev);
  const logger = createLogger(config['log.level']);
  for (const warning of warnings) logger.warn({ reason: 'unknown-environment' }, warning);
  exitOnFault(logger);
  const stop = onStopSignal(logger);
  const { startBroker } = await import('../broker.ts');
  const broker = await startBroker(config, { dev, logger });
  announce(config, broker.ports, broker.kcatLine);
  await stop;
  await broker.close();
  logger.info('stopped');
}

function announce(config: Config, ports: RunningBroker['ports'], kcatLine: string | null): void {
  const startMs = Math.round(systemClock.monotonicMs());
  const mtls = `mTLS ${hostAndPort(config.host, ports.mtls)}`;
  const admin = `admin https://${hostAndPort(config['admin.host'], ports.admin)}`;
  const sasl = ports.sasl === null ? '' : `SASL_SSL ${hostAndPort(config.host, ports.sasl)}, `;
  process.stdout.write(`ready in ${startMs} ms: ${mtls}, ${sasl}${admin}\n`);
  if (kcatLine !== null) process.stdout.write(`${kcatLine}\n`);
}

function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Resolves at the first stop signal; the second one ends the process. */
function onStopSignal(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    const onSignal = (signal: NodeJS.Signals): void => {
      signals++;
      if (signals > 1) {
        logger.warn({ signal }, 'second signal: exiting at once');
        process.exit(1);
      }
      logger.info({ signal }, 'stopping: answering what was begun');
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    process.on('SIGHUP', onSignal);
  });
}

/** An error that nobody caught leaves a state that nobody knows: the log recovers at the next start. */
function exitOnFault(logger: Logger): void {
  const onFault = (err: unknown): void => {
    logger.fatal({ err }, 'internal error: the broker stops');
    process.exit(1);
  };
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
}
