import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.apache.kafka.common.utils.AppInfoParser;

/** The matrix's protocol with its harness (tests/README.md), and bounded waiting. Knows nothing about scenarios. */
final class Report {
    static final long DEADLINE_MS = 60_000;
    private static final BufferedReader ANSWERS =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private static boolean failed = false;

    private Report() {}

    /** A scenario: returns what it saw, throws when something is not as it must be. */
    interface Scenario extends Callable<String> {}

    /** Runs a scenario and prints its line. */
    static void capability(String name, Scenario scenario) {
        String ok = "true";
        String detail;
        try {
            detail = scenario.call();
        } catch (Exception | AssertionError error) {
            StringWriter trace = new StringWriter();
            error.printStackTrace(new PrintWriter(trace));
            ok = "false";
            detail = trace.toString();
            failed = true;
        }
        System.out.printf(
            "{\"client\":\"Java\",\"version\":%s,\"capability\":%s,\"ok\":%s,\"detail\":%s}%n",
            json(AppInfoParser.getVersion()), json(name), ok, json(detail));
        System.out.flush();
    }

    static boolean anyFailed() {
        return failed;
    }

    /** Asks the harness for something, and waits until it is done. */
    static void request(String what) throws IOException {
        System.out.printf("{\"request\":%s}%n", json(what));
        System.out.flush();
        equal(ANSWERS.readLine(), "done", what);
    }

    static void equal(Object got, Object expected, String what) {
        if (!Objects.equals(got, expected)) {
            throw new AssertionError(what + ": got " + got + ", expected " + expected);
        }
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    /** Calls {@code condition} until it is true. */
    static void until(String what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + DEADLINE_MS * 1_000_000;
        while (!condition.call()) {
            check(System.nanoTime() < end, "waited " + DEADLINE_MS + " ms until " + what);
            Thread.sleep(20);
        }
    }

    private static String json(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
