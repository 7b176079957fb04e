// Writes the golden files beside it: messages as Kafka's own generated classes encode them, and the
// fields those classes have. `generate` says how to run it.
//
// A message is made up along its class's schema, read by the class and written again, so every line
// is what Kafka itself would send. The same seed gives the same files.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.CompactArrayOf;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.utils.ByteUtils;

public final class Golden {
    private static final String[] PACKAGES = {
        "org.apache.kafka.common.message.",
        "org.apache.kafka.common.metadata.",
        "org.apache.kafka.coordinator.group.generated.",
    };
    private static final String[] WORDS = {"", "a", "logs", "events-0", "größe", "話題"};

    /** Of each version: the first is full, the others are sparse. */
    private static final int SAMPLES = 3;

    private final Random random;
    /** Everything that may be there is, against: as little as the schema allows, or nearly. */
    private final boolean full;

    private Golden(long seed, boolean full) {
        this.random = new Random(seed);
        this.full = full;
    }

    /** Standard input: a message on each line, `Name first last`. */
    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.trim().split(" ");
            if (args[0].equals("fields")) {
                printFields(words[0]);
            } else {
                for (short version = Short.parseShort(words[1]); version <= Short.parseShort(words[2]); version++) {
                    for (int number = 0; number < SAMPLES; number++) {
                        printMessage(words[0], version, number);
                    }
                }
            }
        }
    }

    private static Class<?> classOf(String name) throws ClassNotFoundException {
        for (String candidate : PACKAGES) {
            for (String suffix : new String[] {"Data", ""}) {
                try {
                    return Class.forName(candidate + name + suffix);
                } catch (ClassNotFoundException e) {
                    // The next package may have it.
                }
            }
        }
        throw new ClassNotFoundException(name);
    }

    private static void printMessage(String name, short version, int number) throws Exception {
        Class<?> type = classOf(name);
        Schema schema = ((Schema[]) type.getField("SCHEMAS").get(null))[version];
        ByteBuffer made = ByteBuffer.allocate(1 << 20);
        new Golden((name + version + " " + number).hashCode(), number == 0).write(schema, made);
        made.flip();

        Message message = (Message) type.getDeclaredConstructor().newInstance();
        message.read(new ByteBufferAccessor(made), version);
        if (made.hasRemaining()) {
            throw new IllegalStateException(name + " " + version + " leaves bytes");
        }
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer written = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(written), cache, version);
        System.out.println(name + " " + version + " " + HexFormat.of().formatHex(written.array()));
    }

    private void write(Type type, ByteBuffer to) throws ReflectiveOperationException {
        if (type instanceof Schema) {
            for (BoundField field : ((Schema) type).fields()) {
                // Schemas do not show the byte in front of a structure that may be null.
                if (field.def.type instanceof Schema) {
                    boolean present = full || random.nextBoolean();
                    to.put((byte) (present ? 1 : -1));
                    if (!present) {
                        continue;
                    }
                }
                write(field.def.type, to);
            }
        } else if (type instanceof TaggedFields) {
            writeTagged((TaggedFields) type, to);
        } else if (type.isArray()) {
            writeArray(type, to);
        } else {
            type.write(to, made(type));
        }
    }

    private void writeArray(Type type, ByteBuffer to) throws ReflectiveOperationException {
        int length = full ? 1 + random.nextInt(2) : random.nextInt(2);
        boolean isNull = !full && type.isNullable() && random.nextInt(3) == 0;
        if (type instanceof CompactArrayOf) {
            ByteUtils.writeUnsignedVarint(isNull ? 0 : length + 1, to);
        } else {
            to.putInt(isNull ? -1 : length);
        }
        for (int i = 0; i < length && !isNull; i++) {
            write(type.arrayElementType().get(), to);
        }
    }

    @SuppressWarnings("unchecked")
    private void writeTagged(TaggedFields type, ByteBuffer to) throws ReflectiveOperationException {
        // Kafka 3.9 has no accessor.
        Field accessor = TaggedFields.class.getDeclaredField("fields");
        accessor.setAccessible(true);
        Map<Integer, org.apache.kafka.common.protocol.types.Field> fields =
            (Map<Integer, org.apache.kafka.common.protocol.types.Field>) accessor.get(type);
        Map<Integer, ByteBuffer> present = new TreeMap<>();
        for (Map.Entry<Integer, org.apache.kafka.common.protocol.types.Field> field : fields.entrySet()) {
            if (full || random.nextInt(3) == 0) {
                ByteBuffer value = ByteBuffer.allocate(1 << 16);
                write(field.getValue().type, value);
                present.put(field.getKey(), value.flip());
            }
        }
        ByteUtils.writeUnsignedVarint(present.size(), to);
        for (Map.Entry<Integer, ByteBuffer> field : present.entrySet()) {
            ByteUtils.writeUnsignedVarint(field.getKey(), to);
            ByteUtils.writeUnsignedVarint(field.getValue().remaining(), to);
            to.put(field.getValue());
        }
    }

    private Object made(Type type) {
        if (!full && type.isNullable() && random.nextBoolean()) {
            return null;
        }
        String name = ((Type.DocumentedType) type).typeName();
        return switch (name.replace("COMPACT_", "").replace("NULLABLE_", "")) {
            case "BOOLEAN" -> random.nextBoolean();
            case "INT8" -> (byte) number();
            case "INT16" -> (short) number();
            case "UINT16" -> (int) number() & 0xffff;
            case "INT32" -> (int) number();
            case "UINT32" -> number() & 0xffffffffL;
            case "INT64" -> number();
            case "UUID" -> full ? new Uuid(random.nextLong(), random.nextLong()) : Uuid.ZERO_UUID;
            case "STRING" -> WORDS[random.nextInt(full ? WORDS.length : 2)];
            case "BYTES" -> ByteBuffer.wrap(bytes());
            case "RECORDS" -> org.apache.kafka.common.record.MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
            default -> throw new IllegalArgumentException(name);
        };
    }

    private long number() {
        return full ? random.nextLong() : random.nextInt(3) - 1;
    }

    private byte[] bytes() {
        byte[] bytes = new byte[random.nextInt(full ? 8 : 2)];
        random.nextBytes(bytes);
        return bytes;
    }

    /** One line for each structure: message, structure, and `name:type` of its fields in order. */
    private static void printFields(String name) throws Exception {
        Class<?> outer = classOf(name);
        printFields(name, name, outer);
        List<Class<?>> nested = new ArrayList<>(List.of(outer.getDeclaredClasses()));
        nested.removeIf(type -> !Message.class.isAssignableFrom(type));
        nested.sort((a, b) -> a.getSimpleName().compareTo(b.getSimpleName()));
        for (Class<?> type : nested) {
            printFields(name, type.getSimpleName(), type);
        }
    }

    private static void printFields(String message, String name, Class<?> type) {
        StringBuilder line = new StringBuilder(message + " " + name);
        for (Field field : type.getDeclaredFields()) {
            boolean isLink = field.getName().equals("next") || field.getName().equals("prev");
            if (!Modifier.isStatic(field.getModifiers()) && !isLink && !field.getName().startsWith("_")) {
                line.append(" ").append(field.getName()).append(":").append(typeName(field));
            }
        }
        System.out.println(line);
    }

    private static String typeName(Field field) {
        String name = field.getType().getSimpleName();
        if (field.getGenericType() instanceof ParameterizedType list) {
            return "[]" + ((Class<?>) list.getActualTypeArguments()[0]).getSimpleName();
        }
        // Collections with a key have a class of their own.
        return name.endsWith("Collection") ? "[]" + name.substring(0, name.length() - "Collection".length()) : name;
    }
}
