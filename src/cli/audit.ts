/** `breakwater audit`: what can be done with the access log. Each subcommand is a file of its own. */
import type { Command } from 'commander';
import { registerAuditCheckpoint } from './audit-checkpoint.ts';
import { registerAuditExplain } from './audit-explain.ts';
import { registerAuditExport } from './audit-export.ts';
import { registerAuditIndex } from './audit-index.ts';
import { registerAuditQuery } from './audit-query.ts';
import { registerAuditTail } from './audit-tail.ts';
import { registerAuditVerify } from './audit-verify.ts';

export function registerAudit(program: Command): void {
  const group = program.command('audit').description('read, export and verify the access log');
  registerAuditQuery(group);
  registerAuditTail(group);
  registerAuditExplain(group);
  registerAuditExport(group);
  registerAuditIndex(group);
  registerAuditVerify(group);
  registerAuditCheckpoint(group);
}
