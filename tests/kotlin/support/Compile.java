import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.jetbrains.kotlin.cli.common.ExitCode;
import org.jetbrains.kotlin.cli.js.KotlinWasmCompiler;

/**
 * Runs the Kotlin compiler once for each line of the standard input, which is its command line. All in one process: the first
 * compilation takes as long as the next five, since a Java program gets fast only after a while.
 */
class Compile {
    public static void main(String[] none) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            var code = new KotlinWasmCompiler().exec(System.err, line.trim().split(" +"));
            if (code != ExitCode.OK) {
                System.err.println("error: the Kotlin compiler says " + code + " to: " + line);
                System.exit(1);
            }
        }
        // The compiler leaves threads behind.
        System.exit(0);
    }
}
