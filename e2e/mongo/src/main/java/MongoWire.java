import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.util.List;

/** A server that speaks MongoDB's wire protocol and keeps its data in a file: MongoWire FILE ADDRESS PORT. */
public class MongoWire {
    public static void main(String[] args) throws Exception {
        H2Backend backend = new H2Backend(args[0]);
        // Drivers of today refuse servers below wire version 9; the commands used here are old enough.
        backend.version(new MongoVersion() {
            public List<Integer> getVersionArray() { return List.of(6, 0, 0); }
            public int getWireVersion() { return 17; }
        });
        MongoServer server = new MongoServer(backend);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdown));
        server.bind(args[1], Integer.parseInt(args[2]));
        System.out.println("ready mongodb=" + args[1] + ":" + args[2]);
        Thread.currentThread().join();
    }
}
