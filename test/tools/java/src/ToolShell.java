import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command line tools one after another in one JVM, because a start costs more than
 * what most of them do. Each line of standard input is a class name and its arguments, parted by
 * tabs; what the tool prints on either stream comes on standard output, and then a line of its own,
 * "::: exit CODE".
 */
final class ToolShell {
    private ToolShell() {}

    /** Thrown in place of an exit. */
    private static final class Exited extends Error {
        private static final long serialVersionUID = 1L;
    }

    private static int exitCode;

    public static void main(String[] args) throws Exception {
        Exit.setExitProcedure(ToolShell::exit);
        Exit.setHaltProcedure(ToolShell::exit);
        // Hooks of tools that have ended must not run when we do.
        Exit.setShutdownHookAdder((name, runnable) -> {});
        PrintStream out = System.out;
        System.setErr(out);
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            run(line.split("\t"));
            out.print("\n::: exit " + exitCode + "\n");
            out.flush();
        }
    }

    private static void exit(int code, String message) {
        exitCode = code;
        throw new Exited();
    }

    private static void run(String[] command) throws Exception {
        exitCode = 0;
        String[] args = Arrays.copyOfRange(command, 1, command.length);
        try {
            Class.forName(command[0]).getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause() instanceof Exited) return;
            exitCode = 1;
            thrown.getCause().printStackTrace(System.out);
        }
    }
}
