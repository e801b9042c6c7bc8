/**
 * Registers the commands. Each top-level command is one file, loaded only when it is called (or when
 * help needs all of them), so that `serve` starts fast.
 */
import { Command } from 'commander';
import { packageVersion } from '../config/package-root.ts';

type Register = (program: Command) => void;

/** In the order in which help lists them. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  serve: async () => (await import('./serve.ts')).registerServe,
  init: async () => (await import('./init.ts')).registerInit,
  config: async () => (await import('./config.ts')).registerConfig,
  tenant: async () => (await import('./tenant.ts')).registerTenant,
  topic: async () => (await import('./topic.ts')).registerTopic,
  acl: async () => (await import('./acl.ts')).registerAcl,
  authorizer: async () => (await import('./authorizer.ts')).registerAuthorizer,
  cert: async () => (await import('./cert.ts')).registerCertCommands,
  device: async () => (await import('./suspension.ts')).registerDevice,
  fleet: async () => (await import('./suspension.ts')).registerFleet,
  ban: async () => (await import('./ban.ts')).registerBan,
  quota: async () => (await import('./quota.ts')).registerQuota,
  user: async () => (await import('./user.ts')).registerUser,
  policy: async () => (await import('./policy.ts')).registerPolicy,
  audit: async () => (await import('./audit.ts')).registerAudit,
  backup: async () => (await import('./backup.ts')).registerBackup,
  restore: async () => (await import('./restore.ts')).registerRestore,
  status: async () => (await import('./status.ts')).registerStatus,
};

/** The program with the command of `args` registered, or with all of them if it names none. */
export async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('breakwater')
    .description('A Kafka-compatible broker: mutual TLS, policies on every access, an access log')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  const named = args.find((arg) => !arg.startsWith('-')) ?? '';
  const only = Object.hasOwn(COMMANDS, named) ? COMMANDS[named] : undefined;
  const loaders = only === undefined ? Object.values(COMMANDS) : [only];
  for (const load of loaders) (await load())(program);
  inherit(program);
  return program;
}

/** Commander copies settings only to subcommands that are made afterwards by the same chain. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    command.helpCommand(false);
    inherit(command);
  }
}
