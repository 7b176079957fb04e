package org.slf4j.impl;

import java.text.SimpleDateFormat;
import java.util.Date;

import org.slf4j.ILoggerFactory;
import org.slf4j.helpers.FormattingTuple;
import org.slf4j.helpers.MarkerIgnoringBase;
import org.slf4j.helpers.MessageFormatter;
import org.slf4j.spi.LoggerFactoryBinder;

/**
 * Logs as the tools of a Kafka distribution do (config/tools-log4j2.yaml: level WARN, to standard error,
 * pattern "[%d] %p %m (%c)%n"), because the jars on Maven come without a logging back end.
 */
public class StaticLoggerBinder implements LoggerFactoryBinder {
    public static final String REQUESTED_API_VERSION = "1.6.99";

    private static final StaticLoggerBinder SINGLETON = new StaticLoggerBinder();

    public static StaticLoggerBinder getSingleton() {
        return SINGLETON;
    }

    @Override
    public ILoggerFactory getLoggerFactory() {
        return WarningLogger::new;
    }

    @Override
    public String getLoggerFactoryClassStr() {
        return WarningLogger.class.getName();
    }

    static final class WarningLogger extends MarkerIgnoringBase {
        WarningLogger(String name) {
            this.name = name;
        }

        private void write(String level, FormattingTuple text) {
            String time = new SimpleDateFormat("yyyy-MM-dd HH:mm:ss,SSS").format(new Date());
            synchronized (System.err) {
                System.err.println("[" + time + "] " + level + " " + text.getMessage() + " (" + name + ")");
                if (text.getThrowable() != null)
                    text.getThrowable().printStackTrace();
            }
        }

        @Override public boolean isTraceEnabled() { return false; }
        @Override public void trace(String text) { }
        @Override public void trace(String text, Object one) { }
        @Override public void trace(String text, Object one, Object two) { }
        @Override public void trace(String text, Object... all) { }
        @Override public void trace(String text, Throwable error) { }
        @Override public boolean isDebugEnabled() { return false; }
        @Override public void debug(String text) { }
        @Override public void debug(String text, Object one) { }
        @Override public void debug(String text, Object one, Object two) { }
        @Override public void debug(String text, Object... all) { }
        @Override public void debug(String text, Throwable error) { }
        @Override public boolean isInfoEnabled() { return false; }
        @Override public void info(String text) { }
        @Override public void info(String text, Object one) { }
        @Override public void info(String text, Object one, Object two) { }
        @Override public void info(String text, Object... all) { }
        @Override public void info(String text, Throwable error) { }
        @Override public boolean isWarnEnabled() { return true; }
        @Override public void warn(String text) { write("WARN", new FormattingTuple(text)); }
        @Override public void warn(String text, Object one) { write("WARN", MessageFormatter.format(text, one)); }
        @Override public void warn(String text, Object one, Object two) { write("WARN", MessageFormatter.format(text, one, two)); }
        @Override public void warn(String text, Object... all) { write("WARN", MessageFormatter.arrayFormat(text, all)); }
        @Override public void warn(String text, Throwable error) { write("WARN", new FormattingTuple(text, null, error)); }
        @Override public boolean isErrorEnabled() { return true; }
        @Override public void error(String text) { write("ERROR", new FormattingTuple(text)); }
        @Override public void error(String text, Object one) { write("ERROR", MessageFormatter.format(text, one)); }
        @Override public void error(String text, Object one, Object two) { write("ERROR", MessageFormatter.format(text, one, two)); }
        @Override public void error(String text, Object... all) { write("ERROR", MessageFormatter.arrayFormat(text, all)); }
        @Override public void error(String text, Throwable error) { write("ERROR", new FormattingTuple(text, null, error)); }
    }
}
