import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's own command line tools one after the other inside one JVM, because starting a JVM costs
 * more than most of the commands do.
 *
 * A request is one line on standard input: the class name, the text for the tool's standard input, and each
 * argument, in hexadecimal and separated by blanks ("-" is the empty text). The answer is one line: the exit
 * status, what went to standard output, what went to standard error.
 *
 * A tool that exits never returns to its caller, so each runs in a thread of its own, which parks for ever
 * at the point where the process would have ended.
 */
public class ToolDriver {
    private static final HexFormat HEX = HexFormat.of();
    private static final int DEADLINE_S = 100;

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        String line;
        while ((line = requests.readLine()) != null) {
            String[] words = line.trim().split(" ");
            String[] toolArguments = new String[words.length - 2];
            for (int i = 0; i < toolArguments.length; i++)
                toolArguments[i] = text(decode(words[i + 2]));
            answers.println(run(text(decode(words[0])), decode(words[1]), toolArguments));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static String run(String name, byte[] input, String[] arguments) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        InputStream realIn = System.in;
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        CompletableFuture<Integer> status = new CompletableFuture<>();
        Exit.Procedure end = (code, message) -> {
            status.complete(code);
            while (true)
                LockSupport.park();
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        List<Runnable> hooks = new CopyOnWriteArrayList<>();
        Exit.setShutdownHookAdder((hookName, hook) -> hooks.add(hook));
        System.setIn(new ByteArrayInputStream(input));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        Thread thread = new Thread(() -> status.complete(call(name, arguments)));
        thread.setDaemon(true);
        thread.start();
        int code;
        try {
            code = status.get(DEADLINE_S, TimeUnit.SECONDS);
            // The console producer sends what it has buffered in a shutdown hook. The console consumer's
            // hook waits for its own end, which has been reached by now.
            for (Runnable hook : hooks)
                if (name.endsWith("ConsoleProducer"))
                    hook.run();
        } catch (TimeoutException e) {
            System.err.println("the tool did not end within " + DEADLINE_S + " s");
            code = 98;
        } finally {
            System.out.flush();
            System.err.flush();
            System.setIn(realIn);
            System.setOut(realOut);
            System.setErr(realErr);
        }
        return code + " " + encode(out) + " " + encode(err);
    }

    private static int call(String name, String[] arguments) {
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
            return 0;
        } catch (InvocationTargetException e) {
            System.err.print("Exception in thread \"main\" ");
            e.getCause().printStackTrace();
            return 1;
        } catch (Throwable e) {
            e.printStackTrace();
            return 99;
        }
    }

    private static byte[] decode(String word) {
        return word.equals("-") ? new byte[0] : HEX.parseHex(word);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static String encode(ByteArrayOutputStream bytes) {
        return bytes.size() == 0 ? "-" : HEX.formatHex(bytes.toByteArray());
    }
}
