/** Is this project ready for a coordinator and its agents, and what makes it so? */
import { main } from '../lib/cli.ts';
import type { Flag } from '../lib/flags.ts';

const dir: Flag = { value: 'DIR', meaning: 'the folder of start-coordinator.sh (default: the project)' };

await main({
  name: 'coordinator-setup',
  summary: 'makes a project ready for a coordinator and its agents, checks it and takes it back',
  commands: {
    apply: {
      summary:
        'makes the folders, the settings file and the environment files; a second call changes nothing',
      load: () => import('../lib/commands/coordinator-setup/apply.ts').then((m) => m.run),
    },
    check: {
      summary:
        'do the coordinator and all agents fit on this machine? 0 they do, 20 fewer agents, 30 not one',
      load: () => import('../lib/commands/coordinator-setup/check.ts').then((m) => m.run),
    },
    validate: {
      summary: 'is everything there, and does it hold? 0 yes, 20 with warnings, 2 something must be mended',
      load: () => import('../lib/commands/coordinator-setup/validate.ts').then((m) => m.run),
    },
    install: {
      summary: "puts hooks, agent, wrappers, environment and settings into a project of Claude Code's",
      args: '[PROJECT]',
      load: () => import('../lib/commands/coordinator-setup/install.ts').then((m) => m.run),
    },
    uninstall: {
      summary: "takes back what install made; the client's settings are as they were before",
      args: '[PROJECT]',
      load: () => import('../lib/commands/coordinator-setup/uninstall.ts').then((m) => m.run),
    },
    reset: {
      summary: 'removes what apply and create-startup made and nobody changed since; the rest is named',
      flags: { dir },
      load: () => import('../lib/commands/coordinator-setup/reset.ts').then((m) => m.run),
    },
    'create-startup': {
      summary:
        'writes start-coordinator.sh and prints the lines for a shell profile and for cron, all without npx',
      flags: { dir, force: { meaning: 'also over a file that was edited or made by somebody else' } },
      load: () => import('../lib/commands/coordinator-setup/create-startup.ts').then((m) => m.run),
    },
  },
  examples: [
    'npx tsx scripts/coordinator-setup.ts apply --project ~/shop',
    'npx tsx scripts/coordinator-setup.ts install ~/shop',
    'npx tsx scripts/coordinator-setup.ts validate --project ~/shop',
  ],
});
